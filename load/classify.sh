#!/usr/bin/env bash
# Classifications, beside PostgreSQL alone: with 50 connections, in turns with pgbench, which reads the rule and inserts the audit row of
# each as a transaction; and 500 at once. `load/classify.sh [EXECUTABLE]...`: each executable in turn, with a stack of its own. Prints rates,
# percentiles and microseconds of processor a request (medians of the rounds). SECONDS_EACH (4), ROUNDS (3).
# Exit code: 0 if the last one classifies at least as often as pgbench and the p95 of 500 at once is under 300 ms.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# shellcheck source=load/drive.sh
. load/drive.sh
# shellcheck source=load/pgbench.sh
. load/pgbench.sh
# shellcheck source=load/processor_time.sh
. load/processor_time.sh

SECONDS_EACH=${SECONDS_EACH:-4}
ROUNDS=${ROUNDS:-3}
AT_ONCE=500
P95_MAX=300
SESSIONS_COUNT=1

# classify CONNECTIONS: what drive prints, and microseconds of API, ingest, worker, supervisor, PostgreSQL and all of them for a request.
classify() {
    local before result
    before=$(processor_time)
    read -ra result < <(TOKEN=$TOKEN wrk -t 1 -c "$1" -d "$SECONDS_EACH" --timeout 30s -s load/classify/classify.lua "$FIREMODE_BASE_URL" |
        sed -n 's/^RESULT //p')
    echo "${result[*]} $(each_took "$before" "$(processor_time)" "${result[0]}")"
}

# The read and the insert of one classification, copied from what the product has.
pgbench_classify() {
    echo 'begin;'
    sql "select format(\$f\$select rule_code, version, rule_schema from as1851_rules
        where is_active and (organisation_id is null or organisation_id = %L) and rule_code = %L;
    \$f\$, organisation_id, after ->> 'rule_applied') from audit_log where action = 'fault.classify' limit 1"
    sql "select format(\$f\$insert into audit_log (id, organisation_id, user_id, action, resource_type, status, transaction_id, after,
            leaf, leaf_hash, created_at)
        values (gen_random_uuid(), %L, %L, %L, %L, 'success', gen_random_uuid(), %L, %L, %L, now());
    \$f\$, organisation_id, user_id, action, resource_type, after, leaf, leaf_hash) from audit_log
        where action = 'fault.classify' limit 1"
    echo 'commit;'
}

measure() {
    local round fifty burst tps column
    FIREMODE_BINARY=$1
    start_stack
    prepare_sessions
    classify "$CONNECTIONS" >/dev/null
    pgbench_classify >"$work_dir/classify.sql"
    for ((round = 0; round < ROUNDS; round++)); do
        pgbench_rate "$work_dir/classify.sql" "$CONNECTIONS" >>"$work_dir/tps"
        classify "$CONNECTIONS" >>"$work_dir/fifty"
        classify "$AT_ONCE" >>"$work_dir/burst"
    done
    tps=$(median "$work_dir/tps" 1)
    for column in 2 3 5 13; do fifty+=("$(median "$work_dir/fifty" "$column")"); done
    for column in 2 3 4 5 6; do burst+=("$(median "$work_dir/burst" "$column")"); done
    say "$1"
    say "$CONNECTIONS connections: ${fifty[0]} a second, p50 ${fifty[1]} ms, p99 ${fifty[2]} ms, ${fifty[3]} microseconds of processor each;" \
        "pgbench: $tps a second"
    say "$AT_ONCE at once: ${burst[0]} a second, p50 ${burst[1]} ms, p95 ${burst[2]} ms, p99 ${burst[3]} ms, refused ${burst[4]}"
    rm -rf "$work_dir"
    stop_stack
    stack_pid=''
    awk -v rate="${fifty[0]}" -v tps="$tps" -v p95="${burst[2]}" -v most="$P95_MAX" 'BEGIN { exit !(rate >= tps && p95 < most) }'
}

main() {
    local executable failed=0
    (($#)) || set -- "$FIREMODE_BINARY"
    require_tools
    require_pgbench
    for executable in "$@"; do
        failed=0
        measure "$executable" || failed=1
    done
    exit "$failed"
}

main "$@"
