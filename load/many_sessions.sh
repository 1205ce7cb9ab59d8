#!/usr/bin/env bash
# Does a write cost the same however many sessions there are, and however long they are? Two builds run side by side, each with a
# database of its own, and are driven in turns: `load/many_sessions.sh EXECUTABLE EXECUTABLE [SESSIONS CHANGES]...`. For each pair of
# numbers it makes so many sessions of so many changes, sends results to them at random, uniformly and skewed, and in turns, and prints
# the rate, p99 and the memory of ingest. Without pairs: a short form. CONNECTIONS (50), SECONDS_EACH (10).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# shellcheck source=load/pair.sh
. load/pair.sh

SECONDS_EACH=${SECONDS_EACH:-10}
SHORT_FORM=(50 100 400 100 200 2000)

# fill INDEX SESSIONS CHANGES: new sessions in the file `sessions`, each with so many changes. Two devices in turns, so that each
# operation is a change of its own.
fill() {
    FIREMODE_BASE_URL=${urls[$1]} TOKEN=${tokens[$1]} BUILDING=${buildings[$1]}
    SESSIONS_COUNT=$2 open_sessions >"${works[$1]}/sessions"
    URL=${urls[$1]} TOKEN=${tokens[$1]} ITEM=${items[$1]} SESSIONS=${works[$1]}/sessions CHANGES=$3 node load/many_sessions/fill.mjs
}

# measure INDEX CHOICE: rate, p99, MiB of ingest.
measure() {
    local rate p99 pid
    read -r _ rate _ _ p99 _ < <(CHOICE=$2 drive_one "$1")
    pid=$(stack_pid=${stacks[$1]} child_of_stack ingest)
    awk -v rate="$rate" -v p99="$p99" '/^VmRSS/ { printf "%d %.0f %d", rate, p99, $2 / 1024 }' "/proc/$pid/status"
}

main() {
    local first=$1 second=$2 choice
    (($# >= 2)) || die "usage: load/many_sessions.sh EXECUTABLE EXECUTABLE [SESSIONS CHANGES]..."
    shift 2
    (($#)) || set -- "${SHORT_FORM[@]}"
    require_tools
    have node || die "node is missing"
    SESSIONS_COUNT=1
    start "$first"
    start "$second"
    printf '%8s %8s %8s   %s\n' sessions changes choice 'first: rate, p99 ms, MiB   second: the same   ratio of rates'
    while (($# >= 2)); do
        fill 0 "$1" "$2"
        fill 1 "$1" "$2"
        for choice in uniform skewed rounds; do
            # Once unmeasured: what a process has in memory is part of the measurement, how it came there is not.
            measure 0 "$choice" >/dev/null
            measure 1 "$choice" >/dev/null
            printf '%8d %8d %8s   %s   %s\n' "$1" "$2" "$choice" "$(measure 0 "$choice")" "$(measure 1 "$choice")" |
                awk '{ print $0 "   " sprintf("%.2f", $7 / $4) }'
        done
        shift 2
    done
}

main "$@"
