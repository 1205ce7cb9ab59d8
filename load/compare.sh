#!/usr/bin/env bash
# What batching is worth, side by side on one machine, load generators included. In turns run pgbench, with the
# inserts of one results request as a transaction each, and the product on the same PostgreSQL with the same number of connections,
# through the public port and against the ingest process alone. Then follow two of the parts alone, 1,000 writers on one session,
# and one session with a short history and a long one. Needs pgbench, psql, wrk, jq, curl and openssl. SECONDS_EACH, ROUNDS,
# CONNECTIONS and HISTORY may be set.
# Exit code: 0 if every limit was held.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# shellcheck source=load/drive.sh
. load/drive.sh
# shellcheck source=scripts/toolchain.sh
. scripts/toolchain.sh
# shellcheck source=scripts/packages.sh
. scripts/packages.sh
# shellcheck source=scripts/postgresql.sh
. scripts/postgresql.sh
# shellcheck source=load/pgbench.sh
. load/pgbench.sh

SECONDS_EACH=${SECONDS_EACH:-5}
ROUNDS=${ROUNDS:-5}
HISTORY=${HISTORY:-100000}
# As many as a batch has with 50 connections.
ROWS_TOGETHER=16
WRITERS=1000
failed=0

prepare() {
    prepare_sessions
    open_session "$BUILDING" >"$work_dir/writers"
    open_session "$BUILDING" >"$work_dir/history"
    open_sessions >"$work_dir/pgbench_sessions"
    # One of each row, for pgbench to copy, and documents that are in memory.
    drive "$FIREMODE_BASE_URL" "$TOKEN" "$work_dir/sessions" 5 "$CONNECTIONS" 3 >/dev/null
    pgbench_script 1 >"$work_dir/one.sql"
    pgbench_script "$ROWS_TOGETHER" >"$work_dir/many.sql"
}

# The API's own kind of token, for the ingest process alone, good for a minute as all of them: to see what the proxy costs.
internal_token() {
    local claims head body now
    now=$(date +%s)
    claims=$(cut -d. -f2 <<<"$TOKEN" | tr '_-' '/+' | base64 -d 2>/dev/null || true)
    head=$(printf '{"typ":"JWT","alg":"HS256"}' | base64url)
    body=$(jq -c --argjson now "$now" '{iss: "firemode", aud: "firemode-ingest", sub, org, role, access_jti: .jti,
        access_iat: .iat, transaction_id: .jti, nbf: $now, exp: ($now + 60)}' <<<"$claims" | tr -d '\n' | base64url)
    printf '%s.%s.%s' "$head" "$body" "$(printf '%s.%s' "$head" "$body" |
        openssl dgst -sha256 -hmac "$(tr -d '\n' <"$data_dir/secrets/internal_jwt_secret_key")" -binary | base64url)"
}

base64url() {
    base64 -w 0 | tr '/+' '_-' | tr -d '='
}

memory_mib() {
    curl --silent --noproxy '*' "$INGEST_URL/memory" | jq '.rss_bytes / 1048576 | floor'
}

# judge WHAT VALUE LIMIT: VALUE must be at most LIMIT.
judge() {
    if awk "BEGIN { exit !($2 <= $3) }"; then
        printf '  held    %s: %s (at most %s)\n' "$1" "$2" "$3"
    else
        printf '  NOT     %s: %s (at most %s)\n' "$1" "$2" "$3"
        failed=1
    fi
}

ratio() {
    awk "BEGIN { printf \"%.2f\", $1 / $2 }"
}

stored() {
    sql "select count(*) from session_changes where device is not null and device like 'device-%'
         and session_id in ($(sed "s/.*/'&'/" "$1" | paste -sd,))"
}

# columns FILE: the median of each column of what `drive` prints.
columns() {
    local column
    for column in 1 2 3 4 5 6 7; do median "$1" "$column"; done | paste -sd ' '
}

sum() {
    awk -v column="$2" '{ sum += $column } END { print sum }' "$1"
}

# In turns, so that what the machine does besides affects all of them equally; each figure is the median of the rounds.
side_by_side() {
    local tps public direct before after round
    before=$(stored "$work_dir/sessions")
    for ((round = 0; round < ROUNDS; round++)); do
        pgbench_rate "$work_dir/one.sql" "$CONNECTIONS" >>"$work_dir/tps"
        drive "$FIREMODE_BASE_URL" "$TOKEN" "$work_dir/sessions" 5 "$CONNECTIONS" "$SECONDS_EACH" >>"$work_dir/public"
        drive "$INGEST_URL" "$(internal_token)" "$work_dir/sessions" 5 "$CONNECTIONS" "$SECONDS_EACH" >>"$work_dir/direct"
    done
    after=$(stored "$work_dir/sessions")
    tps=$(median "$work_dir/tps" 1)
    read -ra public < <(columns "$work_dir/public")
    read -ra direct < <(columns "$work_dir/direct")
    say "pgbench, $CONNECTIONS clients, a transaction each: $tps a second"
    say "public port, $CONNECTIONS connections, $SESSIONS_COUNT sessions: ${public[1]} a second, p50 ${public[2]} ms," \
        "p95 ${public[3]} ms, p99 ${public[4]} ms; ingest $(memory_mib) MiB"
    say "ingest alone: ${direct[1]} a second, p50 ${direct[2]} ms, p95 ${direct[3]} ms, p99 ${direct[4]} ms"
    judge "pgbench's rate as a part of ours" "$(ratio "$tps" "${public[1]}")" 0.5
    judge "p99 in ms" "${public[4]}" 50
    cat "$work_dir/public" "$work_dir/direct" >"$work_dir/both"
    judge "refused or broken" "$(($(sum "$work_dir/both" 6) + $(sum "$work_dir/both" 7)))" 0
    judge "lost (acknowledged - stored)" "$(($(sum "$work_dir/both" 1) - after + before))" 0
    judge "the proxy's part of the rate" "$(awk "BEGIN { printf \"%.2f\", 1 - ${public[1]} / ${direct[1]} }")" 0.40
    judge "the proxy's ms at p50" "$(awk "BEGIN { printf \"%.1f\", ${public[2]} - ${direct[2]} }")" 2
}

# What two of the parts take of the machine where nothing else runs: the rows, many requests a transaction, with a client for each
# processor; and all of HTTP, with requests that are refused once they have been read. With all else for nothing, no more is possible.
parts() {
    local rows reading refused
    rows=$(($(pgbench_rate "$work_dir/many.sql" 2) * ROWS_TOGETHER))
    read -ra reading < <(ITEM='~' drive "$FIREMODE_BASE_URL" "$TOKEN" "$work_dir/sessions" 5 "$CONNECTIONS" "$SECONDS_EACH")
    refused=$((reading[5] / SECONDS_EACH))
    say "the rows alone, $ROWS_TOGETHER requests a transaction: of $rows requests a second; HTTP alone: $refused requests a second;" \
        "both together: at most $(awk "BEGIN { printf \"%d\", 1 / (1 / $rows + 1 / $refused) }")"
}

one_session() {
    local result before after
    before=$(stored "$work_dir/writers")
    read -ra result < <(drive "$FIREMODE_BASE_URL" "$TOKEN" "$work_dir/writers" "$WRITERS" "$WRITERS" "$SECONDS_EACH")
    after=$(stored "$work_dir/writers")
    say "$WRITERS writers on one session: ${result[1]} a second, p50 ${result[2]} ms, p95 ${result[3]} ms, p99 ${result[4]} ms," \
        "refused ${result[5]}, broken ${result[6]}; ingest $(memory_mib) MiB"
    judge "p95 in ms" "${result[3]}" 300
    judge "lost (acknowledged - stored)" "$((result[0] - after + before))" 0
}

long_history() {
    local short long
    read -ra short < <(drive "$FIREMODE_BASE_URL" "$TOKEN" "$work_dir/history" 5 "$CONNECTIONS" 1)
    say "one session, short history: ${short[1]} a second"
    while (($(stored "$work_dir/history") < HISTORY)); do
        drive "$FIREMODE_BASE_URL" "$TOKEN" "$work_dir/history" 5 "$CONNECTIONS" 5 >/dev/null
    done
    read -ra long < <(drive "$FIREMODE_BASE_URL" "$TOKEN" "$work_dir/history" 5 "$CONNECTIONS" 3)
    say "one session, $(stored "$work_dir/history") changes: ${long[1]} a second; ingest $(memory_mib) MiB"
    judge "what a long history costs of the rate" "$(awk "BEGIN { printf \"%.2f\", 1 - ${long[1]} / ${short[1]} }")" 0.20
}

main() {
    require_cargo
    require_postgresql
    require_tools
    require_pgbench
    step "building FireMode" cargo build --release --locked
    start_stack
    prepare
    side_by_side
    parts
    one_session
    long_history
    judge "memory of the ingest process in MiB" "$(memory_mib)" 512
    rm -rf "$work_dir"
    exit "$failed"
}

main "$@"
