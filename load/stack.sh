# shellcheck shell=bash
# A stack of the release build with a database of its own, all thrown away when the script ends. Sourced.

STACK_READY_SECONDS_MAX=120
stack_pid=''
data_dir=''
stack_log=''

# A deployment's settings must not reach this stack: it would load the wrong database.
start_stack() {
    # Not under /tmp, which may be memory: what a commit costs is part of the measurement.
    data_dir=$(mktemp -d /var/tmp/firemode-load.XXXXXX)
    # The database's unprivileged user has to reach its folder.
    chmod 755 "$data_dir"
    mkdir -p load/results
    stack_log="load/results/stack-$(date -u +%Y%m%dT%H%M%SZ).log"
    env -u DATABASE_URL -u REPLIT_DEPLOYMENT FIREMODE_ENV=development FIREMODE_DATA_DIR="$data_dir" PORT=0 INGEST_PORT=0 \
        "${CARGO_TARGET_DIR:-target}/release/firemode" >"$stack_log" 2>&1 &
    stack_pid=$!
    trap stop_stack EXIT
    wait_for_stack
    say "stack: $FIREMODE_BASE_URL, ingest $INGEST_URL, log $stack_log"
}

# port_of SERVER: what the log says that it listens on.
port_of() {
    sed -n "s/.* listening server=\"\?$1\"\? .* port=\([0-9]*\).*/\1/p" "$stack_log" 2>/dev/null | head -n 1
}

wait_for_stack() {
    local public ingest deadline=$((SECONDS + STACK_READY_SECONDS_MAX))
    while ((SECONDS < deadline)) && kill -0 "$stack_pid" 2>/dev/null; do
        public=$(port_of public) ingest=$(port_of ingest)
        if [[ -n $public && -n $ingest ]] &&
            curl --silent --fail --noproxy '*' --max-time 5 --output /dev/null "http://127.0.0.1:$public/health/ready"; then
            export FIREMODE_BASE_URL="http://127.0.0.1:$public" INGEST_URL="http://127.0.0.1:$ingest"
            return
        fi
        sleep 0.5
    done
    tail -n 20 "$stack_log" >&2
    say "the stack did not get ready; its log is $stack_log" >&2
    exit 2
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
