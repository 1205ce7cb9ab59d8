# shellcheck shell=bash
# Two builds side by side, each with a database and sessions of its own, to be driven in turns. Sourced, with drive.sh.

# shellcheck source=load/drive.sh
. load/drive.sh

stacks=() folders=() urls=() tokens=() items=() buildings=() works=()

# start EXECUTABLE: the next of the two.
start() {
    export FIREMODE_BINARY=$1
    start_stack
    trap stop_all EXIT
    stacks+=("$stack_pid") folders+=("$data_dir")
    prepare_sessions
    urls+=("$FIREMODE_BASE_URL") tokens+=("$TOKEN") items+=("$ITEM") buildings+=("$BUILDING") works+=("$work_dir")
}

stop_all() {
    local result=$?
    kill -TERM "${stacks[@]}" 2>/dev/null || true
    wait "${stacks[@]}" || true
    rm -rf "${folders[@]}" "${works[@]}"
    return "$result"
}

# drive_one INDEX: what drive prints.
drive_one() {
    ITEM=${items[$1]} drive "${urls[$1]}" "${tokens[$1]}" "${works[$1]}/sessions" 5 "$CONNECTIONS" "$SECONDS_EACH"
}
