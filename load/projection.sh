#!/usr/bin/env bash
# How long do observations and defects take? `load/projection.sh [EXECUTABLE]`. Prints how many seconds after the results of a session its
# defect is there, at RATE results a second (100) over 20 sessions, for SECONDS_EACH (30); and how long it takes to work out RESULTS
# results (1000000, in sessions of 1,000) from nothing, beside counting their rows, with the peak of memory for a tenth of them and for all.
# Exit code: 0 if the lag is under 2 s at p95 and the results take under 10 minutes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# shellcheck source=load/drive.sh
. load/drive.sh
# shellcheck source=load/pgbench.sh
. load/pgbench.sh

RATE=${RATE:-100}
RESULTS=${RESULTS:-1000000}
SECONDS_EACH=${SECONDS_EACH:-30}
SESSIONS_COUNT=20
LAG_SECONDS_MAX=2
MINUTES_MAX=10

# Writes to the sessions in turns, at the rate.
write_steadily() {
    URL=$FIREMODE_BASE_URL SESSIONS=$work_dir/sessions SECONDS_EACH=$SECONDS_EACH RATE=$RATE node load/projection/write.mjs
}

# The lag of the worker, in as far as its buckets tell: a bound that 95 of 100 keep.
lag() {
    local port
    port=$(port_of worker)
    curl --silent --fail --noproxy '*' "http://127.0.0.1:$port/metrics" | awk -F'[ "]' '
        /^firemode_projection_lag_seconds_bucket/ { bound[++n] = $2; count[n] = $NF }
        END { for (i = 1; i <= n; i++) if (count[i] >= 0.95 * count[n]) { print bound[i], count[n]; exit } }'
}

# copy_session COUNT: so many more sessions with the changes of one.
copy_session() {
    local session
    session=$(head -n 1 "$work_dir/sessions")
    sql "create temporary table made as select gen_random_uuid() as id from generate_series(1, $1);
         insert into test_sessions (id, organisation_id, building_id, name, created_by)
         select made.id, organisation_id, building_id, name, created_by from made, test_sessions s where s.id = '$session';
         insert into session_changes (session_id, organisation_id, hash, actor, seq, start_op, deps, bytes, user_id, device, instance_id)
         select made.id, organisation_id, hash, actor, seq, start_op, deps, bytes, user_id, device, instance_id
         from made, session_changes c where c.session_id = '$session'; analyze" >/dev/null
}

# rebuild: seconds, and MiB at the peak.
rebuild() {
    local began=$EPOCHREALTIME peak
    sql 'truncate defect_versions, defects, defect_numbers, item_observations, item_passes, item_states, session_reviews' >/dev/null
    peak=$(command time --format '%M' "$FIREMODE_BINARY" project --rebuild 2>&1 >"$work_dir/rebuilt" | tail -n 1)
    cat "$work_dir/rebuilt" >&2
    awk -v began="$began" -v ended="$EPOCHREALTIME" -v peak="$peak" 'BEGIN { printf "%.1f %d\n", ended - began, peak / 1024 }'
}

main() {
    local bound count seconds peak counting sessions=$((RESULTS / 1000)) failed=0
    FIREMODE_BINARY=${1:-$FIREMODE_BINARY}
    require_tools
    have node || die "node is missing"
    start_stack
    prepare_sessions
    write_steadily
    read -r bound count < <(lag)
    say "lag at $RATE results a second: $bound s at p95, of $count looks at sessions"
    awk -v bound="$bound" -v most="$LAG_SECONDS_MAX" 'BEGIN { exit !(bound <= most) }' || failed=1

    SESSIONS_COUNT=1 open_sessions >"$work_dir/sessions"
    URL=$FIREMODE_BASE_URL SESSIONS=$work_dir/sessions CHANGES=1000 node load/many_sessions/fill.mjs
    "$FIREMODE_BINARY" stop worker >/dev/null
    copy_session $((sessions / 10))
    read -r seconds peak < <(rebuild)
    say "a tenth of $RESULTS results: $seconds s, peak $peak MiB"
    copy_session $((sessions - sessions / 10))
    counting=$EPOCHREALTIME
    sql 'select count(*), sum(octet_length(bytes)) from session_changes' >/dev/null
    counting=$(awk -v began="$counting" -v ended="$EPOCHREALTIME" 'BEGIN { printf "%.2f", ended - began }')
    read -r seconds peak < <(rebuild)
    say "$RESULTS results: $seconds s ($(awk -v a="$seconds" -v b="$counting" 'BEGIN { printf "%.0f", a / b }') times reading their rows), peak $peak MiB"
    awk -v seconds="$seconds" -v most="$MINUTES_MAX" 'BEGIN { exit !(seconds < 60 * most) }' || failed=1
    exit "$failed"
}

main "$@"
