#!/usr/bin/env bash
# The reports of an organisation with a million items in 1,000 sessions of 50 buildings, each item known in two versions, and 10,000 defects:
# how long each takes, beside a request that reads one row. `load/reports.sh [EXECUTABLE]`. ITEMS (1000000), DEFECTS (10000), REQUESTS (10).
# Exit code: 0 if the median of each is under a second, and of what was known at a moment under two.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export REQUESTS=${REQUESTS:-10}

# shellcheck source=scripts/common.sh
. scripts/common.sh
# shellcheck source=load/stack.sh
. load/stack.sh
# shellcheck source=load/drive.sh
. load/drive.sh
# shellcheck source=load/pgbench.sh
. load/pgbench.sh
# shellcheck source=load/times.sh
. load/times.sh

ITEMS=${ITEMS:-1000000}
DEFECTS=${DEFECTS:-10000}
LIST_MAX=1000
SESSIONS_COUNT=1

# Over two years; of each hundred items 3 fail, 7 were not tested and one is not applicable. Sessions without changes are not worked out.
make_items() {
    sql "insert into buildings (id, organisation_id, site_name, site_address)
         select gen_random_uuid(), '$ORGANISATION', 'Building ' || n, 'Street ' || n from generate_series(1, 49) n" >/dev/null
    sql "with numbered as (
             select id, row_number() over (order by id) - 1 as number from buildings where organisation_id = '$ORGANISATION'
         ), made as (
             insert into test_sessions (id, organisation_id, building_id, name, created_by, technician_id, status)
             select gen_random_uuid(), '$ORGANISATION', b.id, 'x', u.id, u.id, case when n % 100 = 0 then 'cancelled' else 'completed' end
             from generate_series(1, 1000) n join numbered b on b.number = n % 50, users u where u.organisation_id = '$ORGANISATION'
             returning id, building_id
         )
         insert into item_states (organisation_id, session_id, item_id, known_from, known_to, building_id, subject_id, section, outcome, local_date)
         select '$ORGANISATION', made.id, n::text, now() - interval '1 day' * (3 - version), case when version = 1 then now() - interval '1 day' end,
                made.building_id, made.id, 2 + n % 13,
                case when version = 1 or n % 100 < 7 then 'not_tested' when n % 100 < 10 then 'fail' when n % 100 = 10 then 'not_applicable'
                     else 'pass' end,
                current_date - (n % 730)::int
         from made, generate_series(1, $ITEMS / 1000) n, generate_series(1, 2) version" >/dev/null
    sql 'vacuum analyze item_states' >/dev/null
}

make_defects() {
    sql "with made as (
             insert into defects (id, organisation_id, number, building_id, subject_id, from_history)
             select gen_random_uuid(), '$ORGANISATION', n, '$BUILDING', gen_random_uuid(), false
             from generate_series(1, $DEFECTS) n returning *
         )
         insert into defect_versions (organisation_id, defect_id, known_from, building_id, subject_id, source, classification, is_overridden,
                                      description, section, status, provisional, opened_at, observed_at, received_at, clock_suspect, local_date,
                                      observations, observation_ids, passes_since, needs_review, interim_measures, evidence, metadata)
         select organisation_id, id, at, building_id, subject_id, 'result', case when number % 100 = 0 then 'critical_defect' else 'non_conformance' end,
                false, 'Extinguisher ' || number, 2 + number % 13, case when number % 2 = 0 then 'open' else 'closed' end, false, at, at, at, false,
                at::date, 0, '{}', 0, false, '[]', '{}', '{}'
         from (select *, now() - make_interval(hours => number::int) as at from made) d" >/dev/null
}

main() {
    FIREMODE_BINARY=${1:-$FIREMODE_BINARY}
    require_tools
    start_stack
    prepare_sessions
    export ACCESS_TOKEN=$TOKEN
    make_items
    make_defects
    read -r row _ < <(took GET /v1/organisation)
    say "a row: median $row ms"
    compare 'compliance' GET /v1/reports/compliance
    compare 'compliance of a building' GET "/v1/reports/compliance?building_id=$BUILDING"
    compare 'compliance of a year' GET "/v1/reports/compliance?from=$(date -u -d '1 year ago' +%F)"
    # No index has the past alone: both versions of each item are looked at.
    LIST_MAX=2000 compare 'compliance as it was known' GET "/v1/reports/compliance?as_of=$(date -u -d '36 hours ago' +%FT%TZ)"
    compare 'trends of two years' GET "/v1/reports/trends?from=$(date -u -d '2 years ago' +%F)"
    compare 'defects' GET /v1/reports/defects
    compare 'technicians' GET /v1/reports/technicians
    compare 'sync' GET /v1/reports/sync
    finish
}

main "$@"
