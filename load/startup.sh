#!/usr/bin/env bash
# Measures a start of the release build on a data folder that exists: time to /health, to /health/ready, to a graceful stop,
# and the memory of each process when idle. `load/startup.sh [RUNS]`, after `./run.sh build`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

runs=${1:-5}
binary=${CARGO_TARGET_DIR:-target}/release/firemode
folder=$(mktemp -d)
chmod 755 "$folder"
export FIREMODE_DATA_DIR=$folder/data PORT=18999 INGEST_PORT=18998
url=http://127.0.0.1:$PORT
pid=

stop() {
    [[ -z $pid ]] || kill -TERM "$pid" 2>/dev/null || true
    wait || true
    rm -rf "$folder"
}
trap stop EXIT

# milliseconds_until PATH: since the moment in $started, until it answers 200.
milliseconds_until() {
    until curl --silent --fail --max-time 1 --output /dev/null "$url$1"; do
        sleep 0.01
    done
    echo $((($(date +%s%N) - started) / 1000000))
}

start() {
    started=$(date +%s%N)
    "$binary" >"$folder/log" 2>&1 &
    pid=$!
}

[[ -x $binary ]] || {
    echo "there is no $binary; './run.sh build' makes it" >&2
    exit 1
}
start
echo "first start, with initdb: ready after $(milliseconds_until /health/ready) ms"
for ((run = 1; run <= runs; run++)); do
    started=$(date +%s%N)
    kill -TERM "$pid"
    wait "$pid"
    stopped=$((($(date +%s%N) - started) / 1000000))
    start
    health=$(milliseconds_until /health)
    echo "warm start $run: stopped in $stopped ms, /health after $health ms, /health/ready after" \
        "$(milliseconds_until /health/ready) ms"
done
sleep 3
echo "idle memory (resident, KiB):"
ps -o rss=,args= --pid "$pid" --ppid "$pid" | grep -v postgres
