# shellcheck shell=bash
# A stack with a database of its own, all thrown away when the script ends: of the release build, or of FIREMODE_BINARY. Sourced
# from the root of the repository, with what all scripts share.

# shellcheck source=scripts/common.sh
. scripts/common.sh

STACK_READY_SECONDS_MAX=120
FIREMODE_BINARY=${FIREMODE_BINARY:-${CARGO_TARGET_DIR:-target}/release/firemode}
stack_pid=''
data_dir=''
stack_log=''

start_stack() {
    [[ -x $FIREMODE_BINARY ]] || die "there is no $FIREMODE_BINARY; './run.sh build' makes it"
    # Not under /tmp, which may be memory: what a commit costs is part of the measurement.
    data_dir=$(mktemp -d /var/tmp/firemode-load.XXXXXX)
    # The database's unprivileged user has to reach its folder.
    chmod 755 "$data_dir"
    # For `firemode restart` and the like.
    export FIREMODE_DATA_DIR=$data_dir
    mkdir -p load/results
    trap stop_stack EXIT
    launch_stack
    wait_for_stack
    say "stack: $FIREMODE_BASE_URL, ingest $INGEST_URL, log $stack_log"
}

# Starts the process on the folder that is there. A deployment's settings must not reach it: it would load the wrong database.
launch_stack() {
    stack_log="load/results/stack-$(date -u +%Y%m%dT%H%M%S.%3NZ).log"
    env -u DATABASE_URL -u REPLIT_DEPLOYMENT FIREMODE_ENV=development PORT=0 INGEST_PORT=0 "$FIREMODE_BINARY" \
        >"$stack_log" 2>&1 &
    stack_pid=$!
}

# port_of SERVER: what the log says that it listens on.
port_of() {
    sed -n "s/.* listening server=\"\?$1\"\? .* port=\([0-9]*\).*/\1/p" "$stack_log" 2>/dev/null | head -n 1
}

# answers PATH: does the public port answer it with success?
answers() {
    local public
    public=$(port_of public)
    [[ -n $public ]] && curl --silent --fail --noproxy '*' --max-time 5 --output /dev/null "http://127.0.0.1:$public$1"
}

wait_for_stack() {
    local deadline=$((SECONDS + STACK_READY_SECONDS_MAX))
    while ((SECONDS < deadline)) && kill -0 "$stack_pid" 2>/dev/null; do
        if answers /health/ready; then
            FIREMODE_BASE_URL="http://127.0.0.1:$(port_of public)" INGEST_URL="http://127.0.0.1:$(port_of ingest)"
            export FIREMODE_BASE_URL INGEST_URL
            return
        fi
        sleep 0.5
    done
    tail -n 20 "$stack_log" >&2
    say "the stack did not get ready; its log is $stack_log" >&2
    exit 2
}

# The process id of the supervisor's child with this role.
child_of_stack() {
    pgrep --parent "$stack_pid" --full " $1\$"
}

# json PATH [CURL OPTION...]: asks the stack as the user that make_session has registered.
json() {
    local path=$1
    shift
    curl --silent --show-error --fail-with-body --noproxy '*' --header "Authorization: Bearer ${ACCESS_TOKEN:-}" \
        --header 'Content-Type: application/json' "$FIREMODE_BASE_URL$path" "$@"
}

# Registers somebody with a building and a test session in it: ACCESS_TOKEN and SESSION.
make_session() {
    local building
    ACCESS_TOKEN=$(json /v1/auth/register --data '{"organisation_name": "Load", "email": "load@example.com",
        "password": "lantern gravel teapot orbit", "full_name": "L"}' | jq -r .access_token)
    building=$(json /v1/buildings --data '{"site_name": "A", "site_address": "B"}' | jq -r .id)
    SESSION=$(json /v1/tests/sessions --data "{\"building_id\": \"$building\"}" | jq -r .id)
    export ACCESS_TOKEN SESSION
}

stop_stack() {
    local result=$?
    if [[ -n $stack_pid ]]; then
        kill -TERM "$stack_pid" 2>/dev/null || true
        wait "$stack_pid" || true
        rm -rf "$data_dir"
    fi
    return "$result"
}
