# shellcheck shell=bash
# Results from many devices at once, for the stack that stack.sh starts. Sourced, with stack.sh.

# shellcheck source=load/stack.sh
. load/stack.sh

SESSIONS_COUNT=${SESSIONS_COUNT:-200}
CONNECTIONS=${CONNECTIONS:-50}
work_dir=''
# One user sends all of it, with one token; rates are counted, and are no limit here.
export FIREMODE__RATE_LIMIT__{ADDRESS,USER}_{BURST=1000000,PER_MINUTE=16000000}
export JWT_EXPIRES_IN_SECONDS=${JWT_EXPIRES_IN_SECONDS:-7200}

require_tools() {
    local tool
    for tool in wrk jq psql curl openssl; do
        have "$tool" || die "$tool is missing: install it (Debian: apt-get install wrk jq postgresql-client curl openssl)"
    done
}

# post PATH BODY: the answer.
post() {
    curl --silent --show-error --fail-with-body --noproxy '*' -H "Authorization: Bearer ${TOKEN:-}" \
        -H 'Content-Type: application/json' -H "Idempotency-Key: $(openssl rand -hex 16)" -d "$2" "$FIREMODE_BASE_URL$1"
}

# An organisation with a building, an asset and test sessions: TOKEN, ORGANISATION, BUILDING, ITEM, and a file of session ids.
prepare_sessions() {
    work_dir=$(mktemp -d /var/tmp/firemode-compare.XXXXXX)
    local email registered
    email="compare-$(openssl rand -hex 6)@example.com"
    registered=$(post /v1/auth/register "{\"organisation_name\": \"$email\", \"email\": \"$email\",
        \"password\": \"$(openssl rand -hex 16)\", \"full_name\": \"Ada Example\"}")
    TOKEN=$(jq -r .access_token <<<"$registered")
    ORGANISATION=$(jq -r .organisation.id <<<"$registered")
    BUILDING=$(post /v1/buildings '{"site_name": "Harbour House", "site_address": "1 Quay Street"}' | jq -r .id)
    ITEM=$(post "/v1/buildings/$BUILDING/assets" '[{"item_code": "EXT-PRESSURE", "section": 10, "label": "Extinguisher 4",
        "location": "Level 1"}]' | jq -r '.results[0].asset.id')
    open_sessions >"$work_dir/sessions"
    export TOKEN ITEM ORGANISATION
}

open_sessions() {
    local n
    for ((n = 0; n < SESSIONS_COUNT; n++)); do
        open_session "$BUILDING"
    done
}

open_session() {
    post /v1/tests/sessions "{\"building_id\": \"$1\"}" | jq -r .id
}

# drive BASE_URL TOKEN SESSIONS_FILE DEVICES CONNECTIONS SECONDS: at most RATE a second where that is set. Prints acknowledged, rate, p50, p95, p99, refused, broken.
drive() {
    RUN=$(openssl rand -hex 6) TOKEN=$2 SESSIONS=$3 DEVICES=$4 \
        wrk -t 1 -c "$5" -d "$6" --timeout 30s -s load/compare/results.lua "$1" | sed -n 's/^RESULT //p'
}

# median FILE COLUMN: of the lines.
median() {
    cut -d ' ' -f "$2" "$1" | sort -n | awk '{ value[NR] = $1 } END { print value[int((NR + 1) / 2)] }'
}
