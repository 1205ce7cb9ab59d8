#!/usr/bin/env bash
# 10,000 rules of one's own, 10,000 assets of a building and 100,000 classifications: how long lists of rules, the choice of one, and what
# baselines lack take, beside a request that reads one row, and how long a report on a year takes, with the peak of the worker's memory
# before and after it. `load/rules.sh [EXECUTABLE]`. RULES (10000), ASSETS (10000), CLASSIFICATIONS (100000), REQUESTS (40).
# Exit code: 0 if the median of each list and of the choice is under 20 ms and the report under 30 s.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# shellcheck source=load/drive.sh
. load/drive.sh
# shellcheck source=load/pgbench.sh
. load/pgbench.sh
# shellcheck source=load/times.sh
. load/times.sh

RULES=${RULES:-10000}
ASSETS=${ASSETS:-10000}
CLASSIFICATIONS=${CLASSIFICATIONS:-100000}
LIST_MAX=20
REPORT_MAX=30
SESSIONS_COUNT=1

# Ten versions of each rule, each for an item of its own. The fourth is more severe.
make_rules() {
    sql "insert into as1851_rules (id, organisation_id, rule_code, version, rule_schema, item_codes)
        select gen_random_uuid(), '$ORGANISATION', 'LOAD-' || n / 10, n % 10 || '.0.0',
               jsonb_set(jsonb_set(rule_schema, '{item_codes}', to_jsonb(array['LOAD-' || n / 10])),
                         '{conditions,pressure_low,classification}',
                         case when n % 10 = 3 then '\"critical_defect\"'::jsonb else '\"non_critical_defect\"' end),
               array['LOAD-' || n / 10]
        from generate_series(0, $RULES - 1) n,
             (select rule_schema from as1851_rules where organisation_id is null and rule_code = 'AS1851-10-EXT-PRESSURE') shipped" >/dev/null
}

# All but every hundredth have a baseline that says what their rule asks for, each in two versions.
make_assets() {
    sql "insert into assets (id, organisation_id, building_id, item_code, section, label, location)
        select gen_random_uuid(), '$ORGANISATION', '$BUILDING', 'EXT-PRESSURE', 10, 'Extinguisher ' || n, 'Level ' || n / 100
        from generate_series(1, $ASSETS) n;
        insert into baselines (id, organisation_id, asset_id, quantities, source, valid_from, recorded_by)
        select gen_random_uuid(), a.organisation_id, a.id, '{\"pressure\": {\"value\": 1200, \"unit\": \"kPa\"}}', 'x',
               date '2020-01-01' + version, (select id from users where organisation_id = a.organisation_id limit 1)
        from assets a, generate_series(1, 2) version
        where a.building_id = '$BUILDING' and right(a.label, 2) <> '00'" >/dev/null
}

# A thousand faults a request, all for the item of one rule.
make_classifications() {
    local sent
    jq -cn '[range(1000) | {item_code: "LOAD-7", observed_condition: "pressure_low", context: {only_in_area: (. % 2 == 0)}}]' \
        >"$work_dir/faults"
    for ((sent = 0; sent < CLASSIFICATIONS; sent += 1000)); do
        post /v1/rules/classify_faults "@$work_dir/faults" >/dev/null
    done
}

peak_memory() {
    awk '/VmHWM/ { printf "%d", $2 / 1024 }' "/proc/$(child_of_stack worker)/status"
}

report() {
    local asked job state='' before began
    before=$(peak_memory)
    asked='{"rule_code": "LOAD-7", "version": "3.0.0", "from": "2020-01-01T00:00:00Z", "to": "2999-01-01T00:00:00Z"}'
    began=$EPOCHREALTIME
    job=$(post /v1/rules/impact "$asked" | jq -r .id)
    until [[ $state == "done" ]]; do
        sleep 0.1
        state=$(json "/v1/jobs/$job" | jq -r .state)
    done
    awk -v began="$began" -v ended="$EPOCHREALTIME" -v most="$REPORT_MAX" -v name="$1" -v before="$before" -v after="$(peak_memory)" '
        BEGIN { took = ended - began; printf "%s: %.1f s, peak of the worker %d MiB before, %d after\n", name, took, before, after
                exit !(took < most) }' || failed=1
    json "/v1/jobs/$job" | jq -c .result
}

main() {
    FIREMODE_BINARY=${1:-$FIREMODE_BINARY}
    require_tools
    start_stack
    prepare_sessions
    export ACCESS_TOKEN=$TOKEN
    make_rules
    make_assets
    make_classifications
    read -r row _ < <(took GET /v1/organisation)
    say "a row: median $row ms"
    compare 'all rules' GET /v1/rules
    compare 'rules of an item' GET '/v1/rules?item_code=LOAD-7'
    compare 'rules of a section' GET '/v1/rules?section=10'
    compare 'rules of a section that has no own ones' GET '/v1/rules?section=2&origin=own'
    compare 'rules in use' GET '/v1/rules?active=true'
    compare 'rules not in use' GET '/v1/rules?active=false'
    compare 'versions of a rule' GET /v1/rules/LOAD-7/versions
    compare 'the rule in force' GET /v1/rules/LOAD-7
    compare 'a choice' POST /v1/classify '{"item_code": "LOAD-7", "observed_condition": "pressure_low"}'
    compare 'a choice for an asset' POST /v1/classify "{\"item_code\": \"EXT-PRESSURE\", \"observed_condition\": \"pressure_measured\",
        \"asset_id\": \"$ITEM\", \"context\": {\"measurement\": {\"value\": 1, \"unit\": \"kPa\"}}}"
    compare 'what the baselines of a building lack' GET "/v1/buildings/$BUILDING/baseline"
    report 'a report on all classifications'
    finish
}

main "$@"
