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
