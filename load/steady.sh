#!/usr/bin/env bash
# Does the rate of results stay what it is, and what a request takes of the processors? One stack on a fresh database under constant
# load, a line for each window of time, and the last window beside the first. FIREMODE__POSTGRES__BIN_DIR names a PostgreSQL of another
# version.
#
#   load/steady.sh                   ten minutes, in windows of ten seconds
#   load/steady.sh --short           a look: half a minute, in windows of five seconds
#   load/steady.sh --paced PERCENT [...]  at so much of the highest rate, which is measured before, in the place of all that there can be
#   load/steady.sh --stranger [...]  with a writing transaction that somebody leaves open in another database of the cluster
#   load/steady.sh --unprepared [..] with database.prepared_statements = false
#   load/steady.sh --no-autovacuum [...]
# SESSIONS_COUNT (200), WINDOWS (60) and WINDOW_SECONDS (10) can be set.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# shellcheck source=load/drive.sh
. load/drive.sh
# shellcheck source=load/processor_time.sh
. load/processor_time.sh

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

# as USER [OPTION...]: psql in the database that every cluster has.
as() {
    psql --quiet --no-psqlrc --output /dev/null --host "$data_dir/postgres/socket" --username "$1" --dbname postgres "${@:2}"
}

# Begins a transaction in another database, and leaves it open.
leave_open() {
    as firemode --command begin --command 'select pg_current_xact_id()' --command "select pg_sleep($((WINDOWS * WINDOW_SECONDS + 60)))" &
    stranger_pid=$!
}

# results SECONDS: what drive prints.
results() {
    drive "$FIREMODE_BASE_URL" "$TOKEN" "$work_dir/sessions" 5 "$CONNECTIONS" "$1"
}

# measure SECONDS: what drive_measured prints, and MiB of ingest.
measure() {
    echo "$(drive_measured "$1") $(ingest_mebibytes)"
}

ingest_mebibytes() {
    curl --silent --fail --noproxy '*' "$INGEST_URL/memory" | jq '.rss_bytes / 1048576 | round'
}

# pace PERCENT: from now on so much of the highest rate.
pace() {
    local highest
    highest=$(results "$WINDOW_SECONDS" | cut -d ' ' -f 2)
    export RATE=$((highest * $1 / 100))
    say "$highest results a second at most; from here on $RATE"
}

main() {
    local window has_stranger=false has_autovacuum=true percent=''
    while (($# > 0)); do
        case $1 in
            --short) WINDOWS=6 WINDOW_SECONDS=5 ;;
            --paced) percent=${2:?--paced wants a number} && shift ;;
            --stranger) has_stranger=true ;;
            --unprepared) export FIREMODE__DATABASE__PREPARED_STATEMENTS=false ;;
            --no-autovacuum) has_autovacuum=false ;;
            *) die "usage: load/steady.sh [--short] [--paced PERCENT] [--stranger] [--unprepared] [--no-autovacuum]" ;;
        esac
        shift
    done
    require_tools
    start_stack
    trap stop_all EXIT
    $has_autovacuum || as postgres --command 'alter system set autovacuum = off' --command 'select pg_reload_conf()'
    prepare_sessions
    # Connections, sessions and caches of both ends are there before anything is compared.
    drive "$FIREMODE_BASE_URL" "$TOKEN" "$work_dir/sessions" 5 "$CONNECTIONS" 3 >/dev/null
    ! $has_stranger || leave_open
    [[ -z $percent ]] || pace "$percent"
    say "window, acknowledged, a second, p50, p95, p99 in ms, refused, broken; microseconds of processor a request: API, ingest," \
        "worker, supervisor, PostgreSQL, all; MiB of ingest"
    for ((window = 1; window <= WINDOWS; window++)); do
        measure "$WINDOW_SECONDS" | tee -a "$work_dir/windows" | sed "s/^/$((window * WINDOW_SECONDS)) s: /"
    done
    awk -v least="$RATIO_MIN" 'NR == 1 { rate = $2; p95 = $4; p99 = $5; took = $13; memory = $14 } END {
        printf "first %d, last %d results a second: %.2f (at least %.2f)\n", rate, $2, $2 / rate, least
        printf "first %d, last %d microseconds of processor a request: %.2f\n", took, $13, $13 / took
        printf "first p95 %.1f and p99 %.1f ms, %d MiB of ingest; last %.1f and %.1f ms, %d MiB\n", p95, p99, memory, $4, $5, $14
        exit $2 / rate < least }' "$work_dir/windows"
}

main "$@"
