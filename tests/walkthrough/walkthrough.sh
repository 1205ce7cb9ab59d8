#!/usr/bin/env bash
# Goes through the API of a running FireMode. A building is registered, two devices test it offline and hand over what they
# found, and evidence is uploaded and signed for. Faults are classified, defects dealt with, bad input is refused, and the record is read
# back.
# Stops at the first surprise.
# Needs bash, curl and Node; `npm ci` in this folder first (`./run.sh walkthrough` does it).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/walkthrough/http.sh
. "$here/http.sh"
# shellcheck source=tests/walkthrough/stage.sh
. "$here/stage.sh"
# shellcheck source=tests/walkthrough/results.sh
. "$here/results.sh"
# shellcheck source=tests/walkthrough/evidence.sh
. "$here/evidence.sh"
# shellcheck source=tests/walkthrough/defects.sh
. "$here/defects.sh"
# shellcheck source=tests/walkthrough/record.sh
. "$here/record.sh"
trap on_exit EXIT

classify_faults() {
    local cases code condition wanted meaning
    cases=$(tools cases "$here/classification.json")
    step "faults are classified by the shipped rules"
    while read -r code condition wanted meaning; do
        expect_json "$wanted" POST /v1/classify "{\"item_code\": \"$code\", \"observed_condition\": \"$condition\"}"
        if [[ $wanted == 200 ]]; then
            same "$code $condition" "$meaning" "$(get /classification)"
            note "$code $condition → $meaning ($(get /rule_applied) $(get /version_applied))"
        else
            is_problem "$meaning"
        fi
    done <<<"$cases"
}

decide_by_a_rule_of_ones_own() {
    local fault rule shipped own job id deadline=$((SECONDS + 30))
    fault='{"item_code": "EXT-PRESSURE", "observed_condition": "pressure_low"}'
    rule='{"rule_code": "AS1851-10-EXT-PRESSURE", "version": "2.0.0", "rule_schema": {"section": 10, "item_codes": ["EXT-PRESSURE"],
        "item": "extinguisher pressure", "conditions": {"pressure_low": {"classification": "critical_defect"}}}}'

    step "a rule of one's own stands before the shipped one"
    expect_json 200 POST /v1/classify "$fault"
    shipped=$(get /audit_log_id)
    expect_json 201 POST /v1/rules "$rule"
    expect_json 200 POST /v1/classify "$fault"
    same "class" critical_defect "$(get /classification)"
    own=$(get /audit_log_id)

    step "a report says what it would have changed"
    expect_json 202 POST /v1/rules/impact '{"rule_code": "AS1851-10-EXT-PRESSURE", "version": "2.0.0",
        "from": "2020-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"}'
    job=$(get /id)
    until expect 200 GET "/v1/jobs/$job" && [[ $(get /state) == "done" ]]; do
        ((SECONDS < deadline)) || fail "the report is not done after 30 s"
        sleep 0.5
    done
    note "$(get /result/differing) of $(get /result/examined) classifications would differ"
    expect 200 GET "/v1/rules/impact/$job?limit=100"
    same "the newest that would differ" "$shipped" "$(get /data/0/audit_log_id)"

    step "each classification can be decided again from its receipt"
    for id in "$shipped" "$own"; do
        expect 200 GET "/v1/classifications/$id"
        note "$(get /rule/code) $(get /rule/version), digest $(get /rule/digest) → $(get /classification)"
        expect 200 GET "/v1/classifications/$id/replay"
        same "the same answer" true "$(get /is_same)"
    done
}

compare_documents() {
    step "the merged document is what the JavaScript library makes of the same changes"
    download_bundle "$work/bundle_now"
    expect 200 GET "/v1/tests/sessions/$session_id"
    note "$(device compare "$body" "$work/bundle_now" "$work/device_a" "$work/device_b")"
}

refuse_bad_input() {
    local nowhere change
    nowhere="/v1/tests/sessions/$(tools uuid)"
    change=$(device set "$work/device_b" "${items[4]}" notes '"never arrives"')

    step "malformed JSON"
    expect_json 400 POST /v1/buildings '{"site_name": '
    is_problem FIRE-400

    step "an unknown field is named"
    expect_json 422 POST /v1/buildings '{"site_name": "A", "site_address": "B", "site_adress": "C"}'
    is_problem FIRE-422
    same "field" site_adress "$(get /errors/0/field)"

    step "results without an Idempotency-Key"
    expect_json 400 POST "$results" "{\"changes\": [\"$change\"], \"vector_clock\": $seen}"
    is_problem FIRE-400

    step "a truncated change"
    send_changes 422 '' "${change:0:40}"
    is_problem FIRE-422

    step "an unknown session"
    expect 404 GET "$nowhere"
    is_problem FIRE-404
    expect_json 404 POST "$nowhere/results" "{\"changes\": [\"$change\"]}" --header "$(key)"
    is_problem FIRE-404

    step "another organisation's objects do not exist"
    with_token "$other_token" expect 404 GET "/v1/tests/sessions/$session_id"
    is_problem FIRE-404
    with_token "$other_token" expect 404 GET "/v1/buildings/$building_id"
    is_problem FIRE-404

    step "a wrong method, an unknown route, no token"
    with_token '' expect 405 DELETE /v1/classify
    is_problem FIRE-405
    with_token '' expect 404 GET /v1/no/such/route
    is_problem FIRE-404
    with_token '' expect 401 GET /v1/buildings
    is_problem FIRE-401
}

main() {
    check_health
    register_and_log_in
    create_building
    describe_buildings
    create_assets
    write_schedule
    begin_to_follow
    open_session
    take_two_devices_offline
    hand_over_conflicting_results
    hand_over_json_operations
    hand_over_raw_bytes
    hand_over_out_of_order
    settle_a_conflict
    keep_evidence
    upload_in_pieces
    list_evidence
    classify_faults
    decide_by_a_rule_of_ones_own
    compare_documents
    refuse_bad_input
    show_what_changed
    treat_defects
    show_history
    show_audit
    printf '\nAll %d steps passed: %d requests in %d s against %s\n' \
        "$step_number" "$request_number" "$SECONDS" "$base_url"
}

main
