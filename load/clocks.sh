#!/usr/bin/env bash
# How soon does a session's row have the clock of its last result, once the session rests? `load/clocks.sh [EXECUTABLE] [SESSIONS] [ROUNDS]`
# (20 sessions, 5 rounds): each of them is written to at moments of its own, and its row asked until it says so. Prints how long that took.
# LOADED=1 drives other sessions with 50 connections meanwhile. Exit code: 0 if none took more than 5 s.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

FIREMODE_BINARY=${1:-${FIREMODE_BINARY:-}}
# shellcheck source=load/drive.sh
. load/drive.sh

MILLISECONDS_MAX=5000

# Waits in the database until the row of a session has the clock; each look sees what is committed by then.
wait_for_clock() {
    PGOPTIONS='-c firemode.purpose=operator' psql -XAtq -h "$data_dir/postgres/socket" -U firemode -d firemode -c "do \$\$ begin
        while (select vector_clock <> '$2'::jsonb from test_sessions where id = '$1') loop perform pg_sleep(0.02); end loop; end \$\$"
}

# watch ROUNDS: opens a session and writes to it again and again; prints the milliseconds of each.
watch() {
    local session round clock began
    session=$(open_session "$BUILDING")
    for ((round = 0; round < $1; round++)); do
        sleep "$((RANDOM % 4)).$((RANDOM % 10))"
        clock=$(post "/v1/tests/sessions/$session/results" "{\"changes\": [{\"op\": \"set\", \"path\": \"/notes\", \"value\": \"$RANDOM\",
            \"actor_id\": \"tablet\", \"timestamp\": \"2026-02-13T01:02:03Z\"}]}" | jq -c .vector_clock)
        began=$(date +%s%N)
        wait_for_clock "$session" "$clock"
        echo $((($(date +%s%N) - began) / 1000000))
    done
}

main() {
    local sessions=${2:-20} rounds=${3:-5} session watching=() loading=''
    require_tools
    start_stack
    prepare_sessions
    if [[ -n ${LOADED:-} ]]; then
        drive "$FIREMODE_BASE_URL" "$TOKEN" "$work_dir/sessions" 5 "$CONNECTIONS" 600 >/dev/null 2>&1 &
        loading=$!
    fi
    for ((session = 0; session < sessions; session++)); do
        watch "$rounds" >"$work_dir/took.$session" &
        watching+=($!)
    done
    wait "${watching[@]}"
    [[ -z $loading ]] || pkill --parent "$loading" wrk || true
    cat "$work_dir"/took.* | sort -n >"$work_dir/took"
    rm -rf "${work_dir:?}"/took.*
    awk -v max="$MILLISECONDS_MAX" '{ took[NR] = $1 } END {
        printf "%d times, milliseconds: least %d, half %d, 95 of 100 %d, most %d\n", NR, took[1], took[int((NR + 1) / 2)],
            took[int(NR * 0.95 + 0.5)], took[NR]
        exit took[NR] > max }' "$work_dir/took"
}

main "$@"
