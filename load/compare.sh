#!/usr/bin/env bash
# What batching is worth, side by side on one machine, load generators included: pgbench with the inserts of one results
# request as a transaction each, then the product on the same PostgreSQL with the same number of connections, through the
# public port and against the ingest process alone; then 1,000 writers on one session, and one session with a short history
# and a long one. Needs pgbench, psql, wrk, jq, curl and openssl. SECONDS_EACH, CONNECTIONS and HISTORY may be set.
# Exit code: 0 if every limit was held.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# shellcheck source=scripts/common.sh
. scripts/common.sh
# shellcheck source=scripts/toolchain.sh
. scripts/toolchain.sh
# shellcheck source=scripts/packages.sh
. scripts/packages.sh
# shellcheck source=scripts/postgresql.sh
. scripts/postgresql.sh
# shellcheck source=load/stack.sh
. load/stack.sh
# shellcheck source=load/drive.sh
. load/drive.sh

SECONDS_EACH=${SECONDS_EACH:-15}
HISTORY=${HISTORY:-100000}
# Files of plain inserts for pgbench, one for a session; it takes at most 128.
SCRIPTS_COUNT=100
WRITERS=1000
failed=0
# The embedded PostgreSQL takes as many connections as the appliance may use and a few more: pgbench's have to fit.
export FIREMODE__DATABASE__POOL_SIZE=$((CONNECTIONS + 20))

require_pgbench() {
    PGBENCH=$(command -v pgbench || find /usr/lib/postgresql -name pgbench 2>/dev/null | sort -V | tail -n 1)
    [[ -n $PGBENCH ]] || die "pgbench is missing: install it (Debian: apt-get install postgresql-contrib)"
}

prepare() {
    prepare_sessions
    open_session "$BUILDING" >"$work_dir/writers"
    open_session "$BUILDING" >"$work_dir/history"
    DATABASE="$data_dir/postgres/socket"
}

# sql STATEMENT: the rows, without decoration.
sql() {
    PGOPTIONS='-c firemode.purpose=operator' psql -XAtq -h "$DATABASE" -U firemode -d firemode -c "$1"
}

# A row as the product writes it, as plain inserts for each of some sessions; hashes and keys are new each time.
pgbench_scripts() {
    local session row n=0
    session=$(head -n 1 "$work_dir/sessions")
    post "/v1/tests/sessions/$session/results" "{\"changes\": [{\"op\": \"set\", \"path\": \"/items/$ITEM/outcome\",
        \"value\": \"pass\", \"timestamp\": \"2026-02-13T01:02:03Z\", \"actor_id\": \"device-0\"}]}" >/dev/null
    while read -r session; do
        row="organisation_id, user_id"
        sql "select format(\$f\$begin;
insert into session_changes (session_id, organisation_id, user_id, instance_id, hash, actor, seq, start_op, bytes, device, deps)
    select '$session', %L, %L, %L, sha256(r), r, 1, %s, %L, %L, %L from uuid_send(gen_random_uuid()) r;
\$f\$, organisation_id, user_id, instance_id, start_op, bytes, device, deps::text) from session_changes
            where session_id = '$(head -n 1 "$work_dir/sessions")' and device = 'device-0' limit 1" >"$work_dir/$n.sql"
        sql "select format(\$f\$insert into idempotency_keys ($row, method, path, key, fingerprint, status, answer, expires_at)
    values (%L, %L, 'POST', '/v1/tests/sessions/$session/results', gen_random_uuid()::text, %L, 200, %L, now() + interval '30 days');
\$f\$, organisation_id, user_id, fingerprint, answer) from idempotency_keys where path like '%/results' limit 1" >>"$work_dir/$n.sql"
        sql "select format(\$f\$insert into audit_log (id, $row, action, resource_type, resource_id, status, transaction_id, after, leaf,
        leaf_hash, created_at)
    values (gen_random_uuid(), %L, %L, %L, %L, '$session', 'success', gen_random_uuid(), %L, %L, %L, now());
commit;
\$f\$, organisation_id, user_id, action, resource_type, after, leaf, leaf_hash) from audit_log
            where action = 'results.accept' limit 1" >>"$work_dir/$n.sql"
        n=$((n + 1))
    done < <(head -n "$SCRIPTS_COUNT" "$work_dir/sessions")
}

# Transactions a second.
pgbench_rate() {
    local files=() n
    for ((n = 0; n < SCRIPTS_COUNT; n++)); do
        files+=(-f "$work_dir/$n.sql")
    done
    PGOPTIONS="-c firemode.organisations={$ORGANISATION}" "$PGBENCH" -n -M prepared -c "$CONNECTIONS" -j 2 -T "$SECONDS_EACH" "${files[@]}" -h "$DATABASE" -U firemode firemode \
        2>"$work_dir/pgbench.log" | sed -n 's/^tps = \([0-9]*\).*/\1/p'
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

side_by_side() {
    local tps public direct before after
    tps=$(pgbench_rate)
    say "pgbench, $CONNECTIONS clients, a transaction each: $tps a second"
    drive "$FIREMODE_BASE_URL" "$TOKEN" "$work_dir/sessions" 5 "$CONNECTIONS" 3 >/dev/null
    before=$(stored "$work_dir/sessions")
    read -ra public < <(drive "$FIREMODE_BASE_URL" "$TOKEN" "$work_dir/sessions" 5 "$CONNECTIONS" "$SECONDS_EACH")
    after=$(stored "$work_dir/sessions")
    say "public port, $CONNECTIONS connections, $SESSIONS_COUNT sessions: ${public[1]} a second, p50 ${public[2]} ms," \
        "p95 ${public[3]} ms, p99 ${public[4]} ms, refused ${public[5]}, broken ${public[6]}; ingest $(memory_mib) MiB"
    read -ra direct < <(drive "$INGEST_URL" "$(internal_token)" "$work_dir/sessions" 5 "$CONNECTIONS" "$SECONDS_EACH")
    say "ingest alone: ${direct[1]} a second, p50 ${direct[2]} ms, p95 ${direct[3]} ms, p99 ${direct[4]} ms, refused ${direct[5]}"
    judge "pgbench's rate as a part of ours" "$(ratio "$tps" "${public[1]}")" 0.5
    judge "p99 in ms" "${public[4]}" 50
    judge "refused or broken" "$((public[5] + public[6]))" 0
    judge "lost (acknowledged - stored)" "$((public[0] - after + before))" 0
    judge "the proxy's part of the rate" "$(awk "BEGIN { printf \"%.2f\", 1 - ${public[1]} / ${direct[1]} }")" 0.40
    judge "the proxy's ms at p50" "$(awk "BEGIN { printf \"%.1f\", ${public[2]} - ${direct[2]} }")" 2
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
    pgbench_scripts
    side_by_side
    one_session
    long_history
    judge "memory of the ingest process in MiB" "$(memory_mib)" 512
    rm -rf "$work_dir"
    exit "$failed"
}

main "$@"
