#!/usr/bin/env bash
# What does a results request take of the processors, beside what PostgreSQL alone takes for its rows? The product is driven with 50
# connections, and pgbench inserts the same three rows as a transaction each, into bare copies of the tables (their columns, checks and
# indexes; no foreign keys, triggers or policies) of the same database, in turns. `load/processor.sh [EXECUTABLE] [ROUNDS]`; prints
# microseconds a request and the ratio, medians of the rounds. Exit code: 0 if the ratio is at most 1.5.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

FIREMODE_BINARY=${1:-${FIREMODE_BINARY:-}}
# shellcheck source=load/drive.sh
. load/drive.sh
# shellcheck source=load/pgbench.sh
. load/pgbench.sh
# shellcheck source=load/processor_time.sh
. load/processor_time.sh

SECONDS_EACH=${SECONDS_EACH:-5}
RATIO_MAX=1.5

prepare() {
    prepare_sessions
    cp "$work_dir/sessions" "$work_dir/pgbench_sessions"
    # One of each row, for pgbench to copy, and documents that are in memory.
    drive "$FIREMODE_BASE_URL" "$TOKEN" "$work_dir/sessions" 5 "$CONNECTIONS" 3 >/dev/null
    pgbench_script 1 >"$work_dir/one.sql"
    sed -e '/^begin;/i \\\startpipeline' -e '$a \\\endpipeline' "$work_dir/one.sql" >"$work_dir/pipeline.sql"
    sql 'create schema bare;
         create table bare.session_changes (like session_changes including all);
         create table bare.idempotency_keys (like idempotency_keys including all);
         create table bare.audit_log (like audit_log including all)'
}

# The product for a while: microseconds a request of API, ingest, worker, supervisor, PostgreSQL, and all of them.
product() {
    drive_measured "$SECONDS_EACH" | cut -d ' ' -f 8-
}

# bare SCRIPT: pgbench for a while; microseconds of PostgreSQL a transaction.
bare() {
    local before transactions
    before=$(processor_time)
    transactions=$(($(pgbench_rate "$1" "$CONNECTIONS" bare) * SECONDS_EACH))
    each_took "$before" "$(processor_time)" "$transactions" | cut -d ' ' -f 5
}

main() {
    local rounds=${2:-5} round column medians=()
    require_tools
    require_pgbench
    start_stack
    prepare
    for ((round = 0; round < rounds; round++)); do
        bare "$work_dir/one.sql" >>"$work_dir/bare"
        bare "$work_dir/pipeline.sql" >>"$work_dir/pipelined"
        product >>"$work_dir/product"
    done
    for column in 1 2 3 4 5 6; do medians+=("$(median "$work_dir/product" "$column")"); done
    say "microseconds of processor a request: API ${medians[0]}, ingest ${medians[1]}, worker ${medians[2]}, supervisor ${medians[3]}," \
        "PostgreSQL ${medians[4]}; all ${medians[5]}"
    awk -v ours="${medians[5]}" -v bare="$(median "$work_dir/bare" 1)" -v pipelined="$(median "$work_dir/pipelined" 1)" \
        -v most="$RATIO_MAX" 'BEGIN {
        printf "the three rows alone, as a transaction each: %d; %.2f times that (at most %.2f)\n", bare, ours / bare, most
        printf "the same, sent as one message: %d; %.2f times that\n", pipelined, ours / pipelined
        exit ours / bare > most }'
}

main "$@"
