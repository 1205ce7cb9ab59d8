#!/usr/bin/env bash
# Measures reading large sessions back: time, size and the memory of the API. `load/large_sessions.sh [BINARY]`, after
# `./run.sh build`; without an argument it takes the release build. Node and the walk-through's packages are needed
# (`npm ci --prefix tests/walkthrough`).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

FIREMODE_BINARY=${1:-${FIREMODE_BINARY:-}}
# shellcheck source=load/stack.sh
. load/stack.sh

start_stack
node load/large_sessions.mjs "$stack_pid" "$FIREMODE_BINARY"
