#!/usr/bin/env bash
# Walks through the API of a running FireMode: a building is registered, two devices test it offline and hand over what
# they found, evidence is uploaded, faults are classified, and bad input is refused. Stops at the first surprise.
# Needs bash, curl and Node; `npm ci` in this folder first (`./run.sh walkthrough` does it).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/walkthrough/http.sh
. "$here/http.sh"
# shellcheck source=tests/walkthrough/stage.sh
. "$here/stage.sh"
# shellcheck source=tests/walkthrough/results.sh
. "$here/results.sh"
trap on_exit EXIT

# upload STATUS HASH
upload() {
    expect "$1" POST /v1/evidence --header "$(key)" --form "file=@$work/photo.jpg;type=image/jpeg" \
        --form "sha256_hash=$2" --form "session_id=$session_id" --form "item_id=${items[2]}" \
        --form evidence_type=photo --form 'metadata={"device": "tablet-3"};type=application/json'
}

keep_evidence() {
    local hash evidence_id
    tools photo "$work/photo.jpg" >/dev/null
    hash=$(tools sha256 "$work/photo.jpg")
    step "a photograph with its SHA-256"
    upload 201 "$hash"
    evidence_id=$(get /evidence_id)
    same "status" verified "$(get /status)"
    same "hash" "$hash" "$(get /hash)"
    note "evidence $evidence_id, $(get /size) bytes"

    step "its bytes come back, and hash as they did"
    expect 200 GET "/v1/evidence/$evidence_id/content"
    same "SHA-256 of the content" "$hash" "$(tools sha256 "$body")"
    expect 200 GET "/v1/evidence/$evidence_id/verify"

    step "a photograph with a wrong hash is refused"
    upload 422 "$(printf '0%.0s' {1..64})"
    is_problem FIRE-422-HASH-MISMATCH
}

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

# The action of every row, page by page, into the file actions.
read_audit() {
    local path='/v1/audit?limit=20' cursor page
    : >"$work/actions"
    for ((page = 1; page <= 50; page++)); do
        expect 200 GET "$path"
        tools each "$body" /data action >>"$work/actions"
        cursor=$(get /next_cursor)
        [[ $cursor != null ]] || return 0
        path="/v1/audit?limit=20&cursor=$cursor"
    done
    fail "the audit log does not end"
}

show_audit() {
    local subject
    step "the audit log shows all of it"
    read_audit
    for subject in building asset session result evidence classif; do
        grep -qi "$subject" "$work/actions" || fail "no act about '$subject' is in the audit log"
    done
    note "$(wc -l <"$work/actions") acts: $(sort -u "$work/actions" | paste -sd ' ')"
}

main() {
    check_health
    register_and_log_in
    create_building
    create_assets
    open_session
    take_two_devices_offline
    hand_over_conflicting_results
    hand_over_json_operations
    hand_over_raw_bytes
    hand_over_out_of_order
    settle_a_conflict
    keep_evidence
    classify_faults
    compare_documents
    refuse_bad_input
    show_audit
    printf '\nAll %d steps passed: %d requests in %d s against %s\n' \
        "$step_number" "$request_number" "$SECONDS" "$base_url"
}

main
