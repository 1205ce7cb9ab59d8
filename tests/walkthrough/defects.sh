# shellcheck shell=bash
# Defects: what follows from failed items, and what people do about it. Sourced by walkthrough.sh.

# wait_for_defect ITEM FIELD=VALUE...: until the item has a defect of which all of that is true; leaves its address in $defect.
wait_for_defect() {
    local item=$1 deadline=$((SECONDS + 60)) found=''
    shift
    until [[ -n $found ]]; do
        ((SECONDS < deadline)) || fail "no defect of $item says $* after 60 s"
        send GET "/v1/defects?building_id=$building_id&limit=100"
        found=$(tools where "$body" /data "asset_id=$item" "$@")
        [[ -n $found ]] || sleep 0.3
    done
    defect="/v1/defects/$found"
    expect 200 GET "$defect"
    note "defect $(get /number): $(get /description), $(get /classification), $(get /status)"
}

# fail_item SESSION DEVICE ITEM CONDITION SECONDS-AGO
fail_item() {
    local at operation operations=()
    at=$(date -u -d "@$(($(date +%s) - $5))" +%Y-%m-%dT%H:%M:%SZ)
    for operation in "outcome\", \"value\": \"fail" "observed_condition\", \"value\": \"$4"; do
        operations+=("{\"op\": \"set\", \"path\": \"/items/$3/$operation\", \"actor_id\": \"$2\", \"timestamp\": \"$at\"}")
    done
    expect_json 200 POST "/v1/tests/sessions/$1/results" "{\"changes\": [$(IFS=, && echo "${operations[*]}")]}" --header "$(key)"
}

find_a_fault_three_times() {
    local item=${items[3]} session device ago
    step "the same item fails in three sessions, from two devices; one of them is synced a week late"
    while read -r device ago; do
        expect_json 201 POST /v1/tests/sessions "{\"building_id\": \"$building_id\", \"asset_ids\": [\"$item\"]}"
        session=$(get /id)
        fail_item "$session" "$device" "$item" a_condition_of_ours "$ago"
    done <<<"tablet-3 60
tablet-8 604800
tablet-3 0"
    wait_for_defect "$item" observations=3
    expect 200 GET "$defect/observations"
    same "sessions" 3 "$(tools count "$body" /data)"
}

repair_on_the_spot() {
    step "a fault that was repaired on the spot stays for a manager"
    wait_for_defect "${items[2]}" status=open
    expect_json 422 POST "$defect/transitions" '{"to": "verified"}'
    is_problem FIRE-422
    expect_json 200 POST "$defect/transitions" '{"to": "repaired", "reason": "Hinge straightened on the spot."}'
    same "status" repaired "$(get /status)"
}

defer_a_conflict() {
    step "a conflict is a defect until somebody settles it; critical, it waits only with an interim measure"
    wait_for_defect "${items[1]}" needs_review=true
    expect_json 200 PATCH "$defect" '{"classification": "critical_defect", "reason": "The only one of the storey."}'
    expect_json 422 POST "$defect/transitions" '{"to": "deferred", "until": "2099-06-30", "accepted_by": "The owner",
        "reason": "The part is on order."}'
    is_problem FIRE-422
    expect_json 201 POST "$defect/interim_measures" '{"text": "A guard walks the floor every hour."}'
    expect_json 200 POST "$defect/transitions" '{"to": "deferred", "until": "2099-06-30", "accepted_by": "The owner",
        "reason": "The part is on order."}'
    same "deferred until" 2099-06-30 "$(get /deferral/until)"
}

close_and_reopen() {
    local closed
    step "a defect is repaired, verified, closed, and there again"
    wait_for_defect "${items[3]}" status=open
    closed=${defect##*/}
    expect_json 200 POST "$defect/transitions" '{"to": "repaired", "reason": "Replaced."}'
    expect_json 422 POST "$defect/transitions" '{"to": "verified"}'
    note "$(get /errors/0/message)"
    expect_json 200 PATCH /v1/organisation '{"allow_own_verification": true}'
    expect_json 200 POST "$defect/transitions" '{"to": "verified"}'
    expect_json 200 PATCH "$defect" '{"status": "closed"}'
    expect_json 201 POST "$defect/transitions" '{"to": "open", "reason": "It leaks again."}'
    same "the closed one" "$closed" "$(get /reopens)"
    expect 200 GET "$defect/history"
    note "$(tools count "$body" /data) entries in the history of the closed one"
}

treat_defects() {
    find_a_fault_three_times
    repair_on_the_spot
    defer_a_conflict
    close_and_reopen
}
