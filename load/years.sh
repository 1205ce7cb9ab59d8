#!/usr/bin/env bash
# Fills a database with years of records: 1,000 buildings, 100,000 assets, 10,000 sessions, 1,000,000 results and 3,000,000 audit rows. The
# buildings are made through the API, the rest are copies of rows that it wrote; and checks that the API and the audit log take the copies
# for their own.
#
#   load/years.sh [--short | --parts N] [COMMAND...]   after a build; --parts makes so many tenths, --short a hundredth; the command is run
#       on the full stack, with FIREMODE_BASE_URL, FIREMODE_DATA_DIR, TOKEN, ORGANISATION, BUILDING and SESSION
#
# FIREMODE_BINARY names another executable than the release build. Exit code: 0 if every copy that was looked at is right and it took
# under twenty minutes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# shellcheck source=load/drive.sh
. load/drive.sh
# shellcheck source=load/grow.sh
. load/grow.sh

SECONDS_MAX=1200
SAMPLE=20
# What a copy of a session has to have in common with its original.
COMMON='{name, status, item_count, vector_clock, heads, document, conflicts, held}'

get() {
    curl --silent --show-error --fail-with-body --noproxy '*' -H "Authorization: Bearer $TOKEN" "$FIREMODE_BASE_URL$1"
}

# Copies that the API shows as it shows their original, and that take results as it does.
check_sessions() {
    local copy original wrong=0 answer
    original=$(get "/v1/tests/sessions/$SESSION" | jq -S "$COMMON")
    for copy in $(sql -c "select id from test_sessions where organisation_id = '$ORGANISATION' and name is not distinct from
            (select name from test_sessions where id = '$SESSION') order by random() limit $SAMPLE"); do
        grep -q "$copy" "$work_dir/sessions" && continue
        [[ $(get "/v1/tests/sessions/$copy" | jq -S "$COMMON") == "$original" ]] || {
            say "session $copy is shown otherwise than $SESSION"
            wrong=$((wrong + 1))
        }
        answer=$(post "/v1/tests/sessions/$copy/results" "{\"changes\": [{\"op\": \"set\", \"path\": \"/items/$ITEM/notes\",
            \"value\": \"dry\", \"actor_id\": \"device-9\", \"timestamp\": \"2026-02-13T01:02:03Z\"}]}" | jq -r .accepted)
        [[ $answer == 1 ]] || {
            say "session $copy takes no results: $answer"
            wrong=$((wrong + 1))
        }
    done
    say "$SAMPLE sessions compared with their original and written to, $wrong wrong"
    return $((wrong > 0))
}

# Columns in which copies differ from what the API wrote, but for ids and what is a secret of each row.
check_columns() {
    local differing
    differing=$(sql -v building="$BUILDING" -v session="$SESSION" -f load/reads/years_differ.sql)
    say "columns in which copies differ from the rows of the API, but for ids and times: ${differing:-none}"
    [[ -z $differing ]]
}

# Each leaf of the audit log is what its row says.
check_audit() {
    "$FIREMODE_BINARY" audit verify --organisation "$ORGANISATION"
}

counts() {
    sql -c "select format('%s buildings, %s assets, %s sessions, %s results, %s audit rows, %s', (select count(*) from buildings),
        (select count(*) from assets), (select count(*) from test_sessions), (select count(*) from session_changes),
        (select count(*) from audit_log), pg_size_pretty(pg_database_size('firemode')))"
}

main() {
    local parts=10 took result=0
    case ${1:-} in
        --short) parts=0.1 && shift ;;
        --parts) parts=${2:?--parts wants a number} && shift 2 ;;
    esac
    require_tools
    have node || die "node is missing"
    start_stack
    prepare_originals
    export BUILDING
    SECONDS=0
    grow "$parts"
    took=$SECONDS
    say "$(counts), in $took s"
    check_columns || result=1
    check_sessions || result=1
    check_audit || result=1
    ((took < SECONDS_MAX)) || result=1
    (($# == 0)) || "$@" || result=1
    rm -rf "$work_dir"
    exit "$result"
}

main "$@"
