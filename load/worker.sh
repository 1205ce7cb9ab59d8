#!/usr/bin/env bash
# Does the worker slow results down? One stack is driven with 50 connections, with its worker and with the worker stopped, in turns.
# `load/worker.sh [EXECUTABLE] [ROUNDS]`; prints the medians of both rates, and of what a request takes of the processors, with their ratios.
# A turn lasts SECONDS_EACH (30: the clocks of sessions that are written to all the time are brought up to date each 25 s).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

FIREMODE_BINARY=${1:-${FIREMODE_BINARY:-}}
# shellcheck source=load/drive.sh
. load/drive.sh
# shellcheck source=load/processor_time.sh
. load/processor_time.sh

SECONDS_EACH=${SECONDS_EACH:-30}

# turn ACT: drives the stack with the worker started or stopped; notes the rate, and microseconds of worker, PostgreSQL and all for a request.
turn() {
    local before acknowledged rate
    "$FIREMODE_BINARY" "$1" worker >/dev/null
    # What a process does when it starts is no part of this.
    sleep 3
    before=$(processor_time)
    read -r acknowledged rate _ < <(drive "$FIREMODE_BASE_URL" "$TOKEN" "$work_dir/sessions" 5 "$CONNECTIONS" "$SECONDS_EACH")
    echo "$rate $(each_took "$before" "$(processor_time)" "$acknowledged" | cut -d ' ' -f 3,5,6)" >>"$work_dir/$1"
}

# compare COLUMN WHAT: the medians without the worker and with it, and their ratio.
compare() {
    awk -v without="$(median "$work_dir/stop" "$1")" -v with="$(median "$work_dir/start" "$1")" -v what="$2" \
        'BEGIN { printf "%s: %d without the worker and %d with it", what, without, with; if (without) printf ", %.2f", with / without; print "" }'
}

main() {
    local rounds=${2:-5} round
    require_tools
    start_stack
    prepare_sessions
    drive "$FIREMODE_BASE_URL" "$TOKEN" "$work_dir/sessions" 5 "$CONNECTIONS" 3 >/dev/null
    for ((round = 0; round < rounds; round++)); do
        # Whichever comes first finds the smaller database.
        if ((round % 2 == 0)); then turn stop && turn start; else turn start && turn stop; fi
    done
    compare 1 'results a second'
    compare 4 'microseconds of processor a request'
    compare 2 'of them the worker'
    compare 3 'of them PostgreSQL'
    rm -rf "$work_dir"
}

main "$@"
