#!/usr/bin/env bash
# How fast are feeds for analysis, and what do they take? `load/exports.sh [EXECUTABLE] [ROWS]` (1000000): an organisation with so many
# sessions, acts and states of items, each of which is exported whole and then with the token of before, which finds nothing. Prints rows a
# second and the memory of the API before, at most, and afterwards.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

FIREMODE_BINARY=${1:-${FIREMODE_BINARY:-}}
ROWS=${2:-1000000}
# shellcheck source=scripts/common.sh
. scripts/common.sh
# shellcheck source=load/stack.sh
. load/stack.sh
# shellcheck source=load/drive.sh
. load/drive.sh
# shellcheck source=load/pgbench.sh
. load/pgbench.sh

fill() {
    sql "insert into test_sessions (id, organisation_id, building_id, name, created_by)
         select gen_random_uuid(), organisation_id, building_id, 'x', created_by from test_sessions, generate_series(2, $ROWS)
         where id = '$SESSION';
         insert into item_states (organisation_id, session_id, item_id, known_from, building_id, subject_id, outcome, local_date)
         select organisation_id, id, n::text, now(), building_id, gen_random_uuid(), 'pass', now()
         from test_sessions, generate_series(1, $ROWS) n where id = '$SESSION'" >/dev/null
}

# megabytes FIELD: of the API's memory, as the kernel has it.
megabytes() {
    awk -v field="$1:" '$1 == field { printf "%d", $2 / 1024 }' "/proc/$(child_of_stack api)/status"
}

# measure KIND
measure() {
    local before peak took since
    before=$(megabytes VmRSS)
    # Forgets the peak of before.
    echo 5 >"/proc/$(child_of_stack api)/clear_refs"
    took=$(curl --silent --fail --noproxy '*' --header "Authorization: Bearer $ACCESS_TOKEN" --output "$work_dir/$1" \
        --write-out '%{time_total}' "$FIREMODE_BASE_URL/v1/exports/$1")
    peak=$(megabytes VmHWM)
    since=$(tail -n 1 "$work_dir/$1" | jq -r .next_since)
    [[ $since != null ]] || die "the feed of $1 broke off"
    awk -v kind="$1" -v rows="$(tail -n 1 "$work_dir/$1" | jq .rows)" -v took="$took" -v before="$before" -v peak="$peak" \
        -v after="$(megabytes VmRSS)" -v again="$(curl --silent --fail --noproxy '*' --header "Authorization: Bearer $ACCESS_TOKEN" \
            --output "$work_dir/again" --write-out '%{time_total}' "$FIREMODE_BASE_URL/v1/exports/$1?since=$since")" 'BEGIN {
        printf "%-10s %9d %8.1f %12.0f %8d %8d %8d %14.0f\n", kind, rows, took, rows / took, before, peak, after, again * 1e3 }'
    [[ $(jq -s length "$work_dir/again") == 1 ]] || say "$1: something was new"
    rm "$work_dir/$1"
}

main() {
    require_tools
    start_stack
    make_session
    work_dir=$(mktemp -d /var/tmp/firemode-exports.XXXXXX)
    fill
    printf '%-10s %9s %8s %12s %8s %8s %8s %14s\n' feed rows seconds 'rows/second' MB 'MB most' 'MB then' 'since, in ms'
    for kind in sessions items; do
        measure "$kind"
    done
    rm -rf "$work_dir"
}

main "$@"
