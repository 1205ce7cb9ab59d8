#!/usr/bin/env bash
# What does it take to read long sessions that no process has in memory? Makes one of LARGE (190,000) changes, one of 100,000 and 16 of
# 20,000, and prints how long the first read of each takes, how long a list of them, and then, while clients ask for the largest again and
# again and for all the others at once, the answers they get, how long a neighbour's reads take meanwhile, and the most memory that the API
# takes: `load/cold_reads.sh`, after `./run.sh build`; FIREMODE_BINARY names another executable.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# shellcheck source=load/drive.sh
. load/drive.sh

LARGE=${LARGE:-190000}
SESSIONS_COUNT=19

# fill FROM TO CHANGES: gives the sessions in these lines so many changes.
fill() {
    sed -n "$1,$2p" "$work_dir/sessions" >"$work_dir/some"
    URL=$FIREMODE_BASE_URL SESSIONS=$work_dir/some CHANGES=$3 node load/many_sessions/fill.mjs
}

main() {
    require_tools
    have node || die "node is missing: install it (Debian: apt-get install nodejs)"
    start_stack
    prepare_sessions
    fill 1 1 10
    fill 2 2 "$LARGE"
    fill 3 3 100000
    fill 4 19 20000
    node load/cold_reads.mjs "$stack_pid" "$FIREMODE_BINARY" "$work_dir/sessions"
    rm -rf "$work_dir"
}

main
