# shellcheck shell=bash
# Photographs and what FireMode signs for. Sourced by walkthrough.sh.

# upload STATUS HASH
upload() {
    expect "$1" POST /v1/evidence --header "$(key)" --form "file=@$work/photo.jpg;type=image/jpeg" \
        --form "sha256_hash=$2" --form "session_id=$session_id" --form "item_id=${items[2]}" \
        --form evidence_type=photo --form 'metadata={"device": "tablet-3"};type=application/json'
}

keep_evidence() {
    local hash
    tools photo "$work/photo.jpg" >/dev/null
    hash=$(tools sha256 "$work/photo.jpg")
    step "a photograph with its SHA-256"
    upload 201 "$hash"
    evidence_id=$(get /evidence_id)
    same "status" verified "$(get /status)"
    same "hash" "$hash" "$(get /hash)"
    cp "$body" "$work/answer"
    note "evidence $evidence_id, $(get /size) bytes"

    step "its receipt is signed by FireMode: the device may delete its copy"
    is_receipted "$work/answer"
    same "evidence of the receipt" "$evidence_id" "$(tools get "$work/receipt" /evidence_id)"
    same "hash of the receipt" "$hash" "$(tools get "$work/receipt" /sha256)"

    step "its bytes come back, and hash as they did"
    expect 200 GET "/v1/evidence/$evidence_id/content"
    same "SHA-256 of the content" "$hash" "$(tools sha256 "$body")"
    expect 200 GET "/v1/evidence/$evidence_id/verify"
    same "verified" true "$(get /verified)"

    step "a photograph with a wrong hash is refused"
    upload 422 "$(printf '0%.0s' {1..64})"
    is_problem FIRE-422-HASH-MISMATCH
}

# is_receipted ANSWER: its receipt is genuine; leaves what it says in the file receipt.
is_receipted() {
    expect 200 GET /v1/receipts/keys
    cp "$body" "$work/keys"
    tools receipt "$1" "$work/keys" >"$work/receipt"
    note "a receipt of $(tools get "$work/receipt" /received_at) for $(tools get "$work/receipt" /kind)"
}

upload_in_pieces() {
    local hash
    step "a bad network: another photograph comes in pieces (tus), with the official client"
    tools photo "$work/photo.jpg" >/dev/null
    hash=$(tools sha256 "$work/photo.jpg")
    FIREMODE_BASE_URL=$base_url ACCESS_TOKEN=$token node "$here/upload.mjs" "$work/photo.jpg" "$session_id" 100 >"$work/told"
    tail -n 1 "$work/told" >"$work/answer"
    note "$(grep -c '^chunk ' "$work/told") pieces"
    is_receipted "$work/answer"
    same "hash of the receipt" "$hash" "$(tools get "$work/receipt" /sha256)"
    expect 200 GET "/v1/evidence/$(tools get "$work/answer" /evidence_id)/content"
    same "SHA-256 of the content" "$hash" "$(tools sha256 "$body")"
}

list_evidence() {
    step "the session's evidence, and that of one item"
    expect 200 GET "/v1/tests/sessions/$session_id/evidence"
    same "files of the session" 2 "$(tools count "$body" /data)"
    expect 200 GET "/v1/tests/sessions/$session_id/evidence?item_id=${items[2]}"
    same "files of the item" "$evidence_id" "$(tools each "$body" /data id)"
}
