#!/usr/bin/env bash
# Does the rate of results stay what it is? One stack on a fresh database under constant load, a line for each window of time, and the
# rate of the last window beside that of the first.
#
#   load/steady.sh                   ten minutes, in windows of ten seconds
#   load/steady.sh --short           a look: half a minute, in windows of five seconds
#   load/steady.sh --stranger [...]  with a writing transaction that somebody leaves open in another database of the cluster
#   load/steady.sh --unprepared [..] with database.prepared_statements = false
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# shellcheck source=scripts/common.sh
. scripts/common.sh
# shellcheck source=load/stack.sh
. load/stack.sh
# shellcheck source=load/drive.sh
. load/drive.sh

WINDOWS=${WINDOWS:-60}
WINDOW_SECONDS=${WINDOW_SECONDS:-10}
RATIO_MIN=0.95
stranger_pid=''

stop_all() {
    local result=$?
    [[ -z $stranger_pid ]] || kill "$stranger_pid" 2>/dev/null || true
    stop_stack || true
    rm -rf "$work_dir"
    return "$result"
}

# Begins a transaction in another database, and leaves it open.
leave_open() {
    psql --quiet --no-psqlrc --output /dev/null --host "$data_dir/postgres/socket" --username firemode --dbname postgres \
        --command begin --command 'select pg_current_xact_id()' --command "select pg_sleep($((WINDOWS * WINDOW_SECONDS + 60)))" &
    stranger_pid=$!
}

main() {
    local window has_stranger=false
    while (($# > 0)); do
        case $1 in
            --short) WINDOWS=6 WINDOW_SECONDS=5 ;;
            --stranger) has_stranger=true ;;
            --unprepared) export FIREMODE__DATABASE__PREPARED_STATEMENTS=false ;;
            *) die "usage: load/steady.sh [--short] [--stranger] [--unprepared]" ;;
        esac
        shift
    done
    require_tools
    start_stack
    trap stop_all EXIT
    prepare_sessions
    # Connections, sessions and caches of both ends are there before anything is compared.
    drive "$FIREMODE_BASE_URL" "$TOKEN" "$work_dir/sessions" 5 "$CONNECTIONS" 3 >/dev/null
    ! $has_stranger || leave_open
    say "window, acknowledged, a second, p50, p95, p99 in ms, refused, broken"
    for ((window = 1; window <= WINDOWS; window++)); do
        drive "$FIREMODE_BASE_URL" "$TOKEN" "$work_dir/sessions" 5 "$CONNECTIONS" "$WINDOW_SECONDS" | tee -a "$work_dir/windows" |
            sed "s/^/$((window * WINDOW_SECONDS)) s: /"
    done
    awk -v least="$RATIO_MIN" 'NR == 1 { first = $2 } { last = $2 } END {
        printf "first %d, last %d results a second: %.2f (at least %.2f)\n", first, last, last / first, least
        exit last / first < least }' "$work_dir/windows"
}

main "$@"
