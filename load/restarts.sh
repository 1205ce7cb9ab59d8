#!/usr/bin/env bash
# Does a session's clock grow with restarts? `load/restarts.sh [EXECUTABLE] [RESTARTS] [DEVICES]` (100 restarts, 20 devices): the ingest
# process is replaced again and again, and after each time every device writes. Prints the entries of the clock and the bytes of an answer.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

FIREMODE_BINARY=${1:-${FIREMODE_BINARY:-}}
# shellcheck source=load/stack.sh
. load/stack.sh

# write DEVICE: the bytes of the answer.
write() {
    json "/v1/tests/sessions/$SESSION/results" --header "Idempotency-Key: $(openssl rand -hex 16)" --data "{\"changes\": [{\"op\": \"set\",
        \"path\": \"/notes\", \"value\": \"$RANDOM\", \"actor_id\": \"device-$1\", \"timestamp\": \"2026-02-13T01:02:03Z\"}]}" | wc -c
}

main() {
    local restarts=${2:-100} devices=${3:-20} restart device bytes
    start_stack
    make_session
    printf '%8s %8s %12s\n' restarts entries 'answer bytes'
    for ((restart = 0; restart <= restarts; restart++)); do
        ((restart == 0)) || "$FIREMODE_BINARY" restart ingest >/dev/null
        until answers /health/ready; do sleep 0.05; done
        for ((device = 0; device < devices; device++)); do bytes=$(write "$device"); done
        if ((restart == 0 || restart == restarts || restart % 10 == 0)); then
            printf '%8d %8d %12d\n' "$restart" "$(json "/v1/tests/sessions/$SESSION" | jq '.vector_clock | length')" "$bytes"
        fi
    done
}

main "$@"
