# shellcheck shell=bash
# Reading back: what changed, who did it, and how it was before. Sourced by walkthrough.sh.

begin_to_follow() {
    step "a client that keeps a copy begins to follow what changes"
    expect 200 GET '/v1/tests/sessions/changes?since=now'
    since=$(get /since)
}

show_what_changed() {
    step "it is told of the session"
    expect 200 GET "/v1/tests/sessions/changes?since=$since"
    same "sessions that changed" "$session_id" "$(tools each "$body" /data id)"
}

show_history() {
    local changes path
    step "every change is on record, with who brought it"
    path="/v1/tests/sessions/$session_id"
    expect 200 GET "$path/history?limit=100"
    changes=$(tools count "$body" /data)
    note "$changes changes; the last touched $(get /data/0/touched/0/path)"

    step "the session as it was when the devices left"
    expect 200 GET "$path" --get --data-urlencode "at=$seen"
    same "items" "${#items[@]}" "$(tools count "$body" /document/items)"
    same "conflicts" 0 "$(tools count "$body" /conflicts)"

    step "nothing is held, set aside or late"
    expect 200 GET "$path/sync"
    same "held" 0 "$(get /held_total)"
    same "quarantined" 0 "$(get /quarantined_total)"
    same "late" 0 "$(get /late_total)"
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
