#!/usr/bin/env bash
# What does a write to a session cost that is not in memory? `load/cold.sh [EXECUTABLE] [SESSIONS CHANGES]...` (40 2000 6 100000): so many
# sessions of so many changes, of which one at a time fits into memory. One connection writes to one of them again and again, and then to
# all of them in turns. Prints milliseconds of processor a write, of ingest and of PostgreSQL, warm and cold, and what cold adds.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

FIREMODE_BINARY=${1:-${FIREMODE_BINARY:-}}
# shellcheck source=load/drive.sh
. load/drive.sh
# shellcheck source=load/pgbench.sh
. load/pgbench.sh
# shellcheck source=load/processor_time.sh
. load/processor_time.sh

SECONDS_EACH=${SECONDS_EACH:-8}
# What a change takes in memory at most.
CHANGE_BYTES=900

# wait_for_copies: until all sessions but the one that stays in memory have a copy of what they were filled with.
wait_for_copies() {
    local deadline=$((SECONDS + 120))
    while ((SECONDS < deadline)); do
        (($(sql 'select count(*) from session_copies') < SESSIONS_COUNT - 1)) || return 0
        sleep 0.5
    done
    die "not every session has a copy"
}

# written SESSIONS_FILE: microseconds a write, of ingest and of PostgreSQL.
written() {
    local before count
    before=$(processor_time)
    read -r count _ < <(drive "$FIREMODE_BASE_URL" "$TOKEN" "$1" 2 1 "$SECONDS_EACH")
    each_took "$before" "$(processor_time)" "$count" | cut -d ' ' -f 2,5
}

measure() {
    local changes=$2 warm cold
    SESSIONS_COUNT=$1
    export FIREMODE__INGEST__WARM_BYTES_MAX=$((changes * CHANGE_BYTES))
    start_stack
    prepare_sessions
    URL=$FIREMODE_BASE_URL SESSIONS=$work_dir/sessions CHANGES=$changes node load/many_sessions/fill.mjs
    head -n 1 "$work_dir/sessions" >"$work_dir/one"
    # What is let go is what was used least.
    drive "$FIREMODE_BASE_URL" "$TOKEN" "$work_dir/sessions" 2 1 "$SECONDS_EACH" >/dev/null
    wait_for_copies
    drive "$FIREMODE_BASE_URL" "$TOKEN" "$work_dir/one" 2 1 2 >/dev/null
    warm=$(written "$work_dir/one")
    cold=$(written "$work_dir/sessions")
    awk -v sessions="$1" -v changes="$changes" -v warm="$warm" -v cold="$cold" 'BEGIN {
        split(warm, w); split(cold, c)
        printf "%8d %8d   %.2f + %.2f   %.2f + %.2f   %.2f\n", sessions, changes, w[1] / 1e3, w[2] / 1e3, c[1] / 1e3, c[2] / 1e3,
            (c[1] + c[2] - w[1] - w[2]) / 1e3 }'
    rm -rf "$work_dir"
    stop_stack
    stack_pid=''
}

main() {
    shift || true
    (($#)) || set -- 40 2000 6 100000
    require_tools
    have node || die "node is missing"
    printf '%8s %8s   %s\n' sessions changes 'milliseconds of ingest and of PostgreSQL: warm, cold; what cold adds'
    while (($# >= 2)); do
        measure "$1" "$2"
        shift 2
    done
}

main "$@"
