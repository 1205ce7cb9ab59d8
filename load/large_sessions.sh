#!/usr/bin/env bash
# Measures reading large sessions back: time, size and the memory of the API. `load/large_sessions.sh [BINARY]`, after
# `./run.sh build`; without an argument it takes the release build. Node and the walk-through's packages are needed
# (`npm ci --prefix tests/walkthrough`).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

binary=$(realpath "${1:-${CARGO_TARGET_DIR:-target}/release/firemode}")
folder=$(mktemp -d)
chmod 755 "$folder"
export FIREMODE_DATA_DIR=$folder/data PORT=18997 INGEST_PORT=18996
export FIREMODE_BASE_URL=http://127.0.0.1:$PORT
"$binary" >"$folder/log" 2>&1 &
pid=$!

stop() {
    kill -TERM "$pid" 2>/dev/null || true
    wait || true
    rm -rf "$folder"
}
trap stop EXIT

until curl --silent --fail --max-time 1 --output /dev/null "$FIREMODE_BASE_URL/health/ready"; do
    kill -0 "$pid" || { cat "$folder/log" >&2; exit 1; }
    sleep 0.1
done
node load/large_sessions.mjs "$pid" "$binary"
