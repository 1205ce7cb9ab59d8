#!/usr/bin/env bash
# How long does one client wait, with nothing else to do? One kept connection asks one thing after the other, in turns, each beside its
# floor: an empty handler (GET /health), and for what is stored one durable commit of one row (pgbench) on top. Prints milliseconds:
# p50, p95, the floor, and how far p50 lies above it. `load/latency.sh [EXECUTABLE] [ROUNDS]`. Exit code: 0 if that is at most 2 ms each.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

FIREMODE_BINARY=${1:-${FIREMODE_BINARY:-}}
# shellcheck source=load/drive.sh
. load/drive.sh
# shellcheck source=load/pgbench.sh
. load/pgbench.sh

SECONDS_EACH=3
SESSIONS_COUNT=5

main() {
    require_tools
    require_pgbench
    have node || die "node is missing"
    start_stack
    prepare_sessions
    sql 'create schema bare; create table bare.commits (id uuid primary key)'
    echo 'insert into commits values (gen_random_uuid());' >"$work_dir/commit.sql"
    COMMIT_MILLISECONDS=$(awk -v rate="$(pgbench_rate "$work_dir/commit.sql" 1 bare)" 'BEGIN { printf "%.2f", 1000 / rate }')
    SESSION=$(head -n 1 "$work_dir/sessions") ROUNDS=${2:-200} COMMIT_MILLISECONDS=$COMMIT_MILLISECONDS node load/latency/measure.mjs
}

main "$@"
