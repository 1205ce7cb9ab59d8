#!/usr/bin/env bash
# Measures a start on a data folder that exists: time to /health, to /health/ready, to a graceful stop, and the memory of the
# processes when idle, without PostgreSQL's. `load/startup.sh [RUNS]`, after `./run.sh build`; FIREMODE_BINARY names another
# executable than the release build.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# shellcheck source=load/stack.sh
. load/stack.sh

runs=${1:-5}

# milliseconds_until COMMAND...: since the moment in $started, until the command succeeds.
milliseconds_until() {
    until "$@"; do
        sleep 0.01
    done
    echo $((($(date +%s%N) - started) / 1000000))
}

start_stack
for ((run = 1; run <= runs; run++)); do
    started=$(date +%s%N)
    kill -TERM "$stack_pid"
    wait "$stack_pid"
    stopped=$((($(date +%s%N) - started) / 1000000))
    started=$(date +%s%N)
    launch_stack
    health=$(milliseconds_until answers /health)
    say "warm start $run: stopped in $stopped ms, /health after $health ms, /health/ready after" \
        "$(milliseconds_until answers /health/ready) ms"
done
sleep 3
say "idle memory (resident, KiB):"
ps -o rss=,args= --pid "$stack_pid" --ppid "$stack_pid" | grep -v postgres | awk '{ print; all += $1 } END { print all, "together" }'
for pid in $(ps -o pid=,args= --pid "$stack_pid" --ppid "$stack_pid" | grep -v postgres | awk '{ print $1 }'); do
    awk '/^Pss:/ { print $2 }' "/proc/$pid/smaps_rollup"
done | awk '{ all += $1 } END { print all, "together, with what they share counted once" }'
