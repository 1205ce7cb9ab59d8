# shellcheck shell=bash
# Results from devices that were offline, in every form the API takes. Sourced by walkthrough.sh.

# download_bundle FILE
download_bundle() {
    expect 200 GET "$bundle" --header 'Accept-Encoding: gzip'
    same "content encoding" gzip "$(header Content-Encoding)"
    cp "$body" "$1"
}

take_two_devices_offline() {
    local tag
    step "two devices download the offline bundle"
    download_bundle "$work/bundle_a"
    tag=$(header ETag)
    seen=$(get /vector_clock)
    note "device A: actor $(get /actor_id), $(device start "$work/device_a" "$work/bundle_a" "${items[@]}") items"
    download_bundle "$work/bundle_b"
    note "device B: actor $(get /actor_id), $(device start "$work/device_b" "$work/bundle_b" "${items[@]}") items"

    step "an unchanged bundle is not sent again"
    expect 304 GET "$bundle" --header 'Accept-Encoding: gzip' --header "If-None-Match: $tag"
}

# send_changes STATUS KEY CHANGE...: Automerge changes in base64, with the clock that the devices had seen.
send_changes() {
    local wanted=$1 key=$2 changes
    shift 2
    changes=$(printf ',"%s"' "$@")
    expect_json "$wanted" POST "$results" "{\"changes\": [${changes:1}], \"vector_clock\": $seen}" --header "$(key "$key")"
}

hand_over_conflicting_results() {
    local key_a key_b first second clock
    key_a=$(tools uuid) key_b=$(tools uuid)
    step "device A passes two items"
    first=$(device set "$work/device_a" "${items[0]}" outcome '"pass"')
    second=$(device set "$work/device_a" "${items[1]}" outcome '"pass"')
    send_changes 200 "$key_a" "$first" "$second"
    same "accepted" 2 "$(tools count "$body" /accepted)"
    clock=$(get /vector_clock)
    note "status $(get /status)"

    step "the same request again gives the same answer"
    send_changes 200 "$key_a" "$first" "$second"
    same "Idempotent-Replayed" true "$(header Idempotent-Replayed)"
    same "vector clock" "$clock" "$(get /vector_clock)"

    step "the same key with another request is refused"
    send_changes 422 "$key_a" "$first"
    is_problem FIRE-422-IDEMPOTENCY

    step "device B, which has seen none of that, fails them: the safe side counts"
    first=$(device set "$work/device_b" "${items[0]}" outcome '"fail"')
    second=$(device set "$work/device_b" "${items[1]}" outcome '"fail"')
    send_changes 200 "$key_b" "$first" "$second"
    expect_conflict "/items/${items[0]}/outcome" "winner=fail values=fail,pass needs_review=true"
    expect_conflict "/items/${items[1]}/outcome" "winner=fail values=fail,pass needs_review=true"
}

# expect_conflict PATH WHAT
expect_conflict() {
    same "conflict at $1" "$2" "$(tools conflict "$body" "$1")"
    note "conflict at $1: $2"
}

operation() {
    printf '{"op": "%s", "path": "/items/%s", "value": %s, "actor_id": "tablet-3", "timestamp": "%s"}' \
        "$1" "$2" "$3" "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
}

hand_over_json_operations() {
    local operations
    step "a client without Automerge sends JSON operations, at the clock of the bundle"
    operations=$(
        operation set "${items[2]}/outcome" '"fail"'
        printf ','
        operation set "${items[2]}/observed_condition" '"will_not_latch"'
        printf ','
        operation set "${items[2]}/remarks" '["hinge bent"]'
        printf ','
        operation append "${items[2]}/remarks" '"told the caretaker"'
        printf ','
        operation set "${items[0]}/outcome" '"not_applicable"'
    )
    expect_json 200 POST "$results" "{\"changes\": [$operations], \"vector_clock\": $seen}" --header "$(key)"
    expect_conflict "/items/${items[0]}/outcome" "winner=fail values=fail,not_applicable,pass needs_review=true"
}

hand_over_raw_bytes() {
    local notes change
    step "device A sends a long note as raw Automerge bytes"
    notes=$(printf 'Gauge read at the same point as last year. %.0s' {1..40})
    change=$(device set "$work/device_a" "${items[3]}" notes "\"$notes\"")
    base64 -d <<<"$change" >"$work/change"
    expect 200 POST "$results" --header 'Content-Type: application/vnd.automerge' --header "$(key)" \
        --data-binary "@$work/change"
    same "accepted" 1 "$(tools count "$body" /accepted)"
    note "${#notes} characters in $(wc -c <"$work/change") bytes"

    step "its receipt is for these very bytes"
    cp "$body" "$work/answer"
    is_receipted "$work/answer"
    same "hash of the receipt" "$(tools sha256 "$work/change")" "$(tools get "$work/receipt" /request_sha256)"
}

# may_delete COUNT CHANGE...: of these changes, the device may delete so many now that it holds the receipt of the last answer.
may_delete() {
    local wanted=$1
    shift
    cp "$body" "$work/answer"
    is_receipted "$work/answer"
    cp "$work/answer" "$body"
    same "changes that the device may delete" "$wanted" "$(device deletable "$work/receipt" "$@")"
}

hand_over_out_of_order() {
    local first second
    first=$(device set "$work/device_b" "${items[4]}" outcome '"pass"')
    second=$(device set "$work/device_b" "${items[4]}" notes '"nozzle replaced"')
    step "device B's second change arrives before its first: it is held"
    send_changes 200 '' "$second"
    same "held" 1 "$(tools count "$body" /held)"
    may_delete 1 "$first" "$second"

    step "the first arrives: both are merged"
    send_changes 200 '' "$first"
    same "held" 0 "$(tools count "$body" /held)"
    may_delete 1 "$first"
    expect 200 GET "/v1/tests/sessions/$session_id"
    same "held in the session" 0 "$(tools count "$body" /held)"
    same "notes" "nozzle replaced" "$(get "/document/items/${items[4]}/notes")"
    same "status" active "$(get /status)"
}

settle_a_conflict() {
    local change
    step "device A, back on the network, has seen every side and settles one of the conflicts"
    download_bundle "$work/bundle_now"
    note "device A knows $(device merge "$work/device_a" "$work/bundle_now") changes"
    change=$(device set "$work/device_a" "${items[0]}" outcome '"pass"')
    send_changes 200 '' "$change"
    expect 200 GET "/v1/tests/sessions/$session_id"
    same "outcome" pass "$(get "/document/items/${items[0]}/outcome")"
    note "conflicts there: $(tools no-conflict "$body" "/items/${items[0]}/outcome")"
    expect_conflict "/items/${items[1]}/outcome" "winner=fail values=fail,pass needs_review=true"
}
