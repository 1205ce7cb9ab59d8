#!/usr/bin/env bash
# Which of two builds takes more results? Both run side by side, each with a database of its own, and are driven in turns, so that
# what the machine does besides affects both equally. `load/versus.sh EXECUTABLE EXECUTABLE [ROUNDS]`; prints the medians of rate and p99
# of each, and their ratios.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# shellcheck source=load/pair.sh
. load/pair.sh

SECONDS_EACH=${SECONDS_EACH:-3}

# compare COLUMN FORMAT: the medians of one column of both, and their ratio.
compare() {
    awk -v first="$(median "${works[0]}/rounds" "$1")" -v second="$(median "${works[1]}/rounds" "$1")" -v format="$2: %.2f\n" \
        'BEGIN { printf format, first, second, second / first }'
}

main() {
    local rounds=${3:-9} round index
    (($# >= 2)) || die "usage: load/versus.sh EXECUTABLE EXECUTABLE [ROUNDS]"
    require_tools
    start "$1"
    start "$2"
    for index in 0 1; do drive_one "$index" >/dev/null; done
    for ((round = 0; round < rounds; round++)); do
        for index in 0 1; do drive_one "$index" >>"${works[$index]}/rounds"; done
    done
    compare 2 '%d and %d results a second'
    compare 5 '%.1f and %.1f ms at p99'
}

main "$@"
