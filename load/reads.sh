#!/usr/bin/env bash
# What does a read cost when there are years of records? Starts a stack, asks each read route of a small organisation, lets the same
# organisation grow (load/reads/years.sql makes rows that are those of the API, but for their ids), and asks again:
# `load/reads.sh [PARTS]`, after `./run.sh build`. Prints for each route the median and the tenth percentile (which other work on
# the machine moves less) of REQUESTS (60) before and after, in milliseconds, and their ratios. PARTS (1) times 100
# buildings, 10,000 assets, 1,000 sessions, 100,000 results and 300,000 audit rows.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# shellcheck source=load/drive.sh
. load/drive.sh
# shellcheck source=load/grow.sh
. load/grow.sh

PARTS=${1:-1}
REQUESTS=${REQUESTS:-60}

# times_of PATH: median and tenth percentile, in milliseconds.
times_of() {
    local urls=() n
    for ((n = 0; n < REQUESTS; n++)); do urls+=(-o /dev/null "$FIREMODE_BASE_URL$1"); done
    curl --silent --fail --noproxy '*' -H "Authorization: Bearer $TOKEN" -w '%{time_total}\n' "${urls[@]}" |
        sort -n | awk '{ value[NR] = $1 * 1000 } END { printf "%.2f %.2f", value[int((NR + 1) / 2)], value[int((NR + 9) / 10)] }'
}

# The read routes, of a building and a session that grow with the rest.
routes() {
    cat <<ROUTES
/v1/users/me
/v1/users
/v1/buildings
/v1/buildings/$BUILDING
/v1/buildings/$BUILDING/assets
/v1/tests/sessions
/v1/tests/sessions?status=active
/v1/tests/sessions?building_id=$BUILDING
/v1/tests/sessions/changes
/v1/tests/sessions/changes?since=$SINCE
/v1/tests/sessions/$SESSION
/v1/tests/sessions/$SESSION/history
/v1/tests/sessions/$SESSION/sync
/v1/tests/sessions/$SESSION/evidence
/v1/tests/sessions/$SESSION/offline_bundle
/v1/audit
/v1/audit?action=building.create
/v1/audit?resource_type=building
/v1/audit?resource_id=$SESSION
/v1/audit?status=failure
ROUTES
}

ask() {
    local path
    while read -r path; do
        printf '%s %s\n' "$(times_of "$path")" "$path"
    done < <(routes)
}

main() {
    require_tools
    have node || die "node is missing"
    start_stack
    prepare_originals
    SINCE=$(curl --silent --noproxy '*' -H "Authorization: Bearer $TOKEN" "$FIREMODE_BASE_URL/v1/tests/sessions/changes?since=now" | jq -r .since)
    ask >/dev/null
    ask >"$work_dir/before"
    say "growing"
    grow "$PARTS"
    ask >/dev/null
    ask >"$work_dir/after"
    printf '%8s %8s %6s %8s %8s %6s  %s\n' p50 after ratio p10 after ratio route
    paste -d ' ' "$work_dir/before" "$work_dir/after" |
        awk '{ printf "%8.2f %8.2f %6.2f %8.2f %8.2f %6.2f  %s\n", $1, $4, $4 / $1, $2, $5, $5 / $2, $3 }' | sed "s/since=.*/since=(before all)/; s/$SESSION/{session_id}/; s/$BUILDING/{building_id}/"
    rm -rf "$work_dir"
}

main
