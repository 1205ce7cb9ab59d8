# shellcheck shell=bash
# What `./run.sh fuzz_api` runs. Sourced by run.sh.

SCHEMATHESIS_VERSION='>=4.32,<5'

# What ends the token that the run itself needs stays out; tests/it/access.rs calls it.
FUZZ_API_LEFT_OUT='^/v1/auth/(logout|revoke|revoke-all)$'

# positive_data_acceptance and negative_data_rejection ask that a schema says all that is checked; ours names fields and
# types, and the server also checks what no schema can say (does the building exist?). use_after_free asks for 404 after
# DELETE, which deactivates here: what was tested stays on record.
FUZZ_API_CHECKS_LEFT_OUT=positive_data_acceptance,negative_data_rejection,use_after_free

# fuzz_api [OPTION OF SCHEMATHESIS...]: sends the FireMode at FIREMODE_BASE_URL what its OpenAPI document allows and what it
# does not, as the demo organisation's admin, and checks the answers. It writes what it makes up: only for one that may
# be thrown away. Twice: with ids that are made up, and with those of objects that are there.
fuzz_api() {
    local base_url=${FIREMODE_BASE_URL:-http://127.0.0.1:8080}
    local folder="${CARGO_TARGET_DIR:-target}/schemathesis"
    local binary="${FIREMODE_BINARY:-${CARGO_TARGET_DIR:-target}/release/firemode}"
    local token objects="$folder/objects.toml" result=0
    require_jq
    [[ -x $folder/bin/schemathesis ]] || step "installing schemathesis" install_schemathesis "$folder"
    FIREMODE_BASE_URL=$base_url "$binary" seed || say "going on with what is there"
    token=$("$binary" token)
    # tus answers 412 to a request that does not say its version; a busy machine is not ready, and says so with 503; a user
    # who has just been made has no second factor to take away.
    cat >"$folder/none.toml" <<'TOML'
[checks.missing_required_header]
expected-statuses = [400, 401, 403, 412, 415, 422]

[[operations]]
include-path = "/health/ready"
checks.not_a_server_error.expected-statuses = ["2xx", "4xx", 503]

[[operations]]
include-path = "/v1/users/{user_id}/totp"
checks.ensure_resource_availability.enabled = false
TOML
    { cat "$folder/none.toml" && objects_there "$base_url" "$token"; } >"$objects"
    run_schemathesis "$folder/none.toml" "$@" || result=1
    run_schemathesis "$objects" "$@" || result=1
    return "$result"
}

install_schemathesis() {
    have python3 || die "python3 is missing; install Python 3.10 or later"
    quietly python3 -m venv "$1" || die "python3 makes no virtual environment (Debian: apt-get install python3-venv)"
    quietly "$1/bin/pip" install "schemathesis$SCHEMATHESIS_VERSION"
}

# run_schemathesis CONFIGURATION [OPTION...]: uses folder, base_url and token of its caller.
run_schemathesis() {
    NO_PROXY='*' PYTHONPATH=scripts SCHEMATHESIS_HOOKS=fuzz_api_hooks "$folder/bin/schemathesis" --config-file "$1" run "$base_url/openapi.json" --url "$base_url" \
        --header "Authorization: Bearer $token" --exclude-checks "$FUZZ_API_CHECKS_LEFT_OUT" \
        --exclude-path-regex "$FUZZ_API_LEFT_OUT" --phases examples,coverage,fuzzing,stateful --max-examples 30 \
        --request-timeout 30 --seed 20261121 --generation-database none --continue-on-failure --max-time 240 "${@:2}"
}

# objects_there BASE_URL TOKEN: prints schemathesis' configuration with the ids of a session and of what belongs to it.
objects_there() {
    local building asset session evidence
    read_one() {
        curl --silent --fail --noproxy '*' --header "Authorization: Bearer $2" "$1" | jq --raw-output "$3"
    }
    for session in $(read_one "$1/v1/tests/sessions?limit=20" "$2" '.data[].id'); do
        evidence=$(read_one "$1/v1/tests/sessions/$session" "$2" '[.document.items[].evidence // {} | keys[]][0] // empty')
        [[ -z $evidence ]] || break
    done
    building=$(read_one "$1/v1/tests/sessions/$session" "$2" .building_id)
    asset=$(read_one "$1/v1/buildings/$building/assets?limit=1" "$2" '.data[0].id')
    printf '[parameters]\n"path.building_id" = "%s"\n"path.asset_id" = "%s"\n' "$building" "$asset"
    printf '"path.session_id" = "%s"\n"path.evidence_id" = "%s"\n' "$session" "$evidence"
}
