# shellcheck shell=bash
# Setting the stage: an organisation, a building, its assets, a session. Sourced by walkthrough.sh.
# Leaves token, other_token, building_id, items (ids), session_id, and the paths results and bundle.

run_id=$(tools uuid)
# Each asset: item code, section of the standard, label, location.
register=(
    "SPR-VALVE|2|Main stop valve|Ground floor, valve room"
    "EXT-PRESSURE|10|Extinguisher 4|Level 1, east corridor"
    "DOR-LATCH|12|Fire door 12|Level 2, stair 1"
    "DET-PANEL|6|Fire indicator panel|Ground floor, lobby"
    "HRL-NOZZLE|9|Hose reel 2|Level 1, west corridor"
)

check_health() {
    step "the processes answer"
    wait_for_answer
    expect 200 GET /health
    same "status" ok "$(get /status)"
    wait_for_ready
    expect 200 GET /health/ready
    same "ready" true "$(get /ready)"
    note "$(get /checks)"
}

wait_for_answer() {
    local attempt
    for ((attempt = 1; attempt <= 10; attempt++)); do
        send GET /health 2>/dev/null && return
        sleep 1
    done
    fail "nothing answers at $base_url; start FireMode with ./run.sh, or set FIREMODE_BASE_URL"
}

wait_for_ready() {
    local attempt
    for ((attempt = 1; attempt <= 60; attempt++)); do
        send GET /health/ready
        [[ $status == 503 ]] || return 0
        sleep 1
    done
}

# register_organisation NAME: signs its first user up; leaves the answer for the caller.
register_organisation() {
    email="admin-$(tools uuid)@example.com"
    password="walk-through $(tools uuid)"
    expect_json 201 POST /v1/auth/register "{\"organisation_name\": \"$1 $run_id\", \"email\": \"$email\",
        \"password\": \"$password\", \"full_name\": \"Alex Walker\"}"
    note "organisation $(get /organisation/name), role $(get /user/role)"
}

register_and_log_in() {
    step "another organisation, which must see nothing of ours"
    register_organisation "Other"
    other_token=$(get /access_token)

    step "an organisation and its first user"
    register_organisation "Walk-through"

    step "log in"
    expect_json 200 POST /v1/auth/login "{\"email\": \"$email\", \"password\": \"$password\"}"
    same "token type" Bearer "$(get /token_type)"
    token=$(get /access_token)
    note "token for $(get /expires_in) s"
}

create_building() {
    local building="{\"site_name\": \"Harbour House\", \"site_address\": \"1 Quay Street, Sydney\", \"building_class\": \"5\"}"
    step "a building"
    expect_json 201 POST /v1/buildings "$building"
    building_id=$(get /id)
    note "building $building_id, active $(get /is_active)"

    step "the same building again is a conflict"
    expect_json 409 POST /v1/buildings "$building"
    is_problem FIRE-409-EXISTS
}

# describe_buildings: where ours stands and who has to do with it, and a second one in another state.
describe_buildings() {
    step "where the building stands, and who has to do with it"
    expect_json 200 PATCH "/v1/buildings/$building_id" '{"jurisdiction": "NSW", "statement_anchor_on": "2026-06-13",
        "parties": [{"role": "owner", "name": "Olive Owner", "email": "olive@example.com"}]}'
    same "owner" "Olive Owner" "$(get /parties/0/name)"
    expect_json 201 POST /v1/buildings '{"site_name": "River House", "site_address": "2 Weir Road, Brisbane",
        "jurisdiction": "NSW"}'
    local other_building
    other_building=$(get /id)

    step "a state is corrected with a reason"
    expect_json 422 PATCH "/v1/buildings/$other_building" '{"jurisdiction": "QLD"}'
    is_problem FIRE-422
    expect_json 200 PATCH "/v1/buildings/$other_building" '{"jurisdiction": "QLD", "reason": "Brisbane is in Queensland."}'
    same "jurisdiction" QLD "$(get /jurisdiction)"
}

# write_schedule: measures of the building, and what is known of an extinguisher's pressure.
write_schedule() {
    step "its fire safety schedule, with a performance solution and a measure of another standard"
    expect_json 201 POST "/v1/buildings/$building_id/measures" '{"name": "Portable fire extinguishers", "section": 10,
        "standard_of_performance": "AS 2444-2001",
        "performance_solution": {"reference": "FER-2019-07", "overrides": {"frequency": ["yearly"], "limits": {"EXT-PRESSURE":
            {"pressure_measured": {"unit": "kPa", "limits": [{"min": 900, "classification": "critical_defect"}]}}}}}}'
    same "solution" FER-2019-07 "$(get /performance_solution/reference)"
    local measure extinguisher fault
    measure=$(get /id)
    expect_json 201 POST "/v1/buildings/$building_id/measures" '{"name": "Emergency lighting",
        "standard_of_performance": "AS 2293.1:2018", "maintenance_standard": "AS 2293.2:2019"}'

    step "a baseline, and which assets have none"
    expect 200 GET "/v1/buildings/$building_id/baseline"
    same "assets that lack something" 1 "$(tools count "$body" /data)"
    extinguisher="/v1/buildings/$building_id/assets/$(get /data/0/asset_id)"
    fault='{"item_code": "EXT-PRESSURE", "observed_condition": "pressure_measured", "asset_id": "'${extinguisher##*/}'",
        "context": {"measurement": {"value": 1000, "unit": "kPa"}}}'
    expect_json 200 POST /v1/classify "$fault"
    same "class without a baseline" non_conformance "$(get /classification)"
    expect_json 201 PUT "$extinguisher/baseline" '{"values": {"pressure": {"value": 12, "unit": "bar"}},
        "source": "Commissioning report", "valid_from": "2021-03-01"}'
    expect 200 GET "/v1/buildings/$building_id/baseline"
    same "assets that lack something" 0 "$(tools count "$body" /data)"
    expect_json 200 POST /v1/classify "$fault"
    same "class by the baseline" non_critical_defect "$(get /classification)"

    step "a measure stays while an asset has it"
    expect_json 200 PATCH "$extinguisher" "{\"measure_id\": \"$measure\"}"
    expect 409 DELETE "/v1/buildings/$building_id/measures/$measure"
    is_problem FIRE-409-IN-USE

    step "its performance solution allows what the rule does not"
    expect_json 422 POST /v1/classify "$fault"
    is_problem FIRE-422
    expect_json 200 POST /v1/classify "${fault/\"value\": 1000/\"value\": 850}"
    same "class by the solution" critical_defect "$(get /classification)"
}

create_assets() {
    local row code section label location rows=()
    step "its register of assets, as a list"
    for row in "${register[@]}"; do
        IFS='|' read -r code section label location <<<"$row"
        rows+=("{\"item_code\": \"$code\", \"section\": $section, \"label\": \"$label\", \"location\": \"$location\"}")
    done
    expect_json 207 POST "/v1/buildings/$building_id/assets" "[$(IFS=, && echo "${rows[*]}")]"
    expect 200 GET "/v1/buildings/$building_id/assets?limit=100"
    same "assets" "${#register[@]}" "$(tools count "$body" /data)"
    mapfile -t items < <(tools each "$body" /data id)
    note "${#items[@]} assets"
}

open_session() {
    step "a session that tests them all"
    expect_json 201 POST /v1/tests/sessions "{\"building_id\": \"$building_id\", \"name\": \"Yearly service\"}"
    session_id=$(get /id)
    results="/v1/tests/sessions/$session_id/results"
    bundle="/v1/tests/sessions/$session_id/offline_bundle"
    same "status" pending "$(get /status)"
    same "items" "${#items[@]}" "$(get /item_count)"
    note "session $session_id, $(get /item_count) items"
}
