#!/usr/bin/env bash
# 10,000 defects of one organisation, each in three versions: how long each list of them takes, beside a request that reads one row.
# `load/defects.sh [EXECUTABLE]`. DEFECTS (10000), REQUESTS (40).
# Exit code: 0 if the median of each is under 100 ms.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# shellcheck source=load/drive.sh
. load/drive.sh
# shellcheck source=load/pgbench.sh
. load/pgbench.sh
# shellcheck source=load/times.sh
. load/times.sh

DEFECTS=${DEFECTS:-10000}
LIST_MAX=100
SESSIONS_COUNT=1

# One a minute; of each hundred one is critical, assigned, to be reviewed, and of another section.
make_defects() {
    sql "with made as (
             insert into defects (id, organisation_id, number, building_id, subject_id, from_history)
             select gen_random_uuid(), '$ORGANISATION', n, '$BUILDING', gen_random_uuid(), n > $DEFECTS / 2
             from generate_series(1, $DEFECTS) n returning *
         )
         insert into defect_versions (organisation_id, defect_id, known_from, known_to, building_id, subject_id, source, classification,
                                      is_overridden, description, location, section, status, provisional, assigned_to, opened_at,
                                      observed_at, received_at, clock_suspect, local_date, observations, observation_ids, passes_since,
                                      needs_review, interim_measures, evidence, metadata)
         select organisation_id, id, opened_at + make_interval(secs => version),
                case when version < 2 then opened_at + make_interval(secs => version + 1) end, building_id, subject_id, 'manual',
                case when is_rare then 'critical_defect' else 'non_conformance' end, false, 'Extinguisher ' || number,
                'Level ' || number % 40, case when is_rare then 3 else 10 end, case when is_rare then 'deferred' else 'open' end, false,
                case when is_rare then (select id from users where organisation_id = '$ORGANISATION') end, opened_at, opened_at, opened_at,
                false, opened_at::date, 0, '{}', 0, is_rare, '[]', '{}', '{}'
         from (select *, now() - make_interval(mins => number::int) as opened_at, number % 100 = 0 as is_rare from made) d,
              generate_series(0, 2) version" >/dev/null
    sql "update defect_numbers set last_number = $DEFECTS where organisation_id = '$ORGANISATION'" >/dev/null
}

main() {
    local user
    FIREMODE_BINARY=${1:-$FIREMODE_BINARY}
    require_tools
    start_stack
    prepare_sessions
    export ACCESS_TOKEN=$TOKEN
    make_defects
    user=$(json /v1/users/me | jq -r .id)
    read -r row _ < <(took GET /v1/organisation)
    say "a row: median $row ms"
    compare 'all defects' GET /v1/defects
    compare 'the oldest first' GET '/v1/defects?sort=age'
    compare 'those of a building' GET "/v1/defects?building_id=$BUILDING"
    compare 'those of a rare section' GET '/v1/defects?section=3'
    compare 'those of a rare class' GET '/v1/defects?classification=critical_defect&sort=age'
    compare 'those with a rare status' GET '/v1/defects?status=deferred&status=repaired'
    compare 'those of an assignee' GET "/v1/defects?assigned_to=$user"
    compare 'those to be reviewed' GET '/v1/defects?needs_review=true'
    compare 'those of a week and older' GET '/v1/defects?age_days_min=6'
    compare 'those from history' GET '/v1/defects?from_history=true'
    compare 'those with a text that none has' GET '/v1/defects?q=no+such+text'
    compare 'as they were known' GET "/v1/defects?as_of=$(date -u -d '-1 day' +%Y-%m-%dT%H:%M:%SZ)&sort=age"
    finish
}

main "$@"
