#!/usr/bin/env bash
# What one instance of one processor and 2 GiB holds, its PostgreSQL in it: what a results request takes of the processor there, beside the
# same on all processors, in turns; what memory the processes have at most; and what a result leaves on the disk and in PostgreSQL's log.
# `load/capacity.sh [EXECUTABLE] [ROUNDS]`. Processor time says more than rates on a machine that others use. As root the 2 GiB are a
# control group's; otherwise nothing bounds the memory.
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
MEMORY_BYTES=2147483648
group=''

# What docs/capacity.md says for such an instance: three processes and a PostgreSQL share the memory.
export FIREMODE__SUPERVISOR__API_MEMORY_BYTES_MAX=536870912 FIREMODE__SUPERVISOR__INGEST_MEMORY_BYTES_MAX=402653184 \
    FIREMODE__SUPERVISOR__WORKER_MEMORY_BYTES_MAX=268435456

# everything PID: the process and all below it.
everything() {
    local child
    echo "$1"
    for child in $(pgrep --parent "$1"); do everything "$child"; done
}

# run_on PROCESSORS: the stack's processes, and those that they start.
run_on() {
    local pid
    for pid in $(everything "$stack_pid"); do
        taskset --all-tasks --pid --cpu-list "$1" "$pid" >/dev/null 2>&1 || true
    done
}

stop_all() {
    local result=$?
    stop_stack || true
    [[ -z $group ]] || rmdir "$group"
    rm -rf "$work_dir"
    return "$result"
}

bound_memory() {
    local pid controller=/sys/fs/cgroup/memory limit=memory.limit_in_bytes
    if [[ ! -d $controller ]]; then
        controller=/sys/fs/cgroup limit=memory.max
    fi
    if ! mkdir "$controller/firemode-capacity" 2>/dev/null; then
        say "no control group can be made: nothing bounds the memory"
        return
    fi
    group=$controller/firemode-capacity
    echo "$MEMORY_BYTES" >"$group/$limit"
    for pid in $(everything "$stack_pid"); do
        echo "$pid" >"$group/cgroup.procs" 2>/dev/null || true
    done
}

# The most that each process ever had, in MiB.
most_memory() {
    local role
    for role in api ingest worker; do
        printf '%s %d MiB, ' "$role" "$(($(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$(child_of_stack "$role")/status") / 1024))"
    done
}

on_disk() {
    sql "select pg_database_size('firemode'), pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint"
}

main() {
    local rounds=${2:-3} round before after count
    require_tools
    start_stack
    trap stop_all EXIT
    prepare_sessions
    bound_memory
    drive "$FIREMODE_BASE_URL" "$TOKEN" "$work_dir/sessions" 5 "$CONNECTIONS" 3 >/dev/null
    before=$(on_disk)
    for ((round = 0; round < rounds; round++)); do
        run_on 0
        drive_measured "$SECONDS_EACH" >>"$work_dir/one"
        run_on "0-$(($(nproc --all) - 1))"
        drive_measured "$SECONDS_EACH" >>"$work_dir/all"
    done
    after=$(on_disk)
    count=$(awk '{ count += $1 } END { print count }' "$work_dir/one" "$work_dir/all")
    say "microseconds a request on one processor: API $(median "$work_dir/one" 8), ingest $(median "$work_dir/one" 9)," \
        "worker $(median "$work_dir/one" 10), supervisor $(median "$work_dir/one" 11), PostgreSQL $(median "$work_dir/one" 12)"
    awk -v one="$(median "$work_dir/one" 13)" -v all="$(median "$work_dir/all" 13)" 'BEGIN {
        printf "all of them: %d, beside %d on all processors: %.2f; a processor has time for %d a second\n", one, all, one / all, 1e6 / one }'
    say "memory at most: $(most_memory)${group:+of $((MEMORY_BYTES / 1048576)) MiB; ended for want of memory: $(ended_for_memory)}"
    awk -v before="$before" -v after="$after" -v count="$count" 'BEGIN {
        split(before, b, "|"); split(after, a, "|")
        printf "%d results: %.0f bytes of database and %.0f of log each\n", count, (a[1] - b[1]) / count, (a[2] - b[2]) / count }'
    # With the requests before the first round, which the tables hold too.
    sql "select c.relname, round(pg_total_relation_size(c.oid) / greatest(s.n_live_tup, 1)) from pg_class c join pg_stat_user_tables s
        on s.relid = c.oid where s.n_live_tup > $count / 2 order by 2 desc" | sed 's/|/: bytes a row, with its indexes: /'
}

# Processes that the kernel has ended in the group.
ended_for_memory() {
    sed -n 's/^oom_kill //p' "$group/memory.oom_control" "$group/memory.events" 2>/dev/null
}

main "$@"
