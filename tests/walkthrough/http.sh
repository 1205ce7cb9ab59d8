# shellcheck shell=bash
# Requests with an expected status, and what to show when something else comes. Sourced by walkthrough.sh.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
base_url=${FIREMODE_BASE_URL:-http://127.0.0.1:8080}
base_url=${base_url%/}
declare -i step_number=0 request_number=0
token=''
request=''
status=''
body="$work/body"
headers="$work/headers"

step() {
    step_number+=1
    printf '\n%2d  %s\n' "$step_number" "$*"
}

# What an answer says that matters here.
note() {
    printf '      %s\n' "$*"
}

fail() {
    printf '\n%s\n' "$*" >&2
    exit 1
}

# At the end of the script, however it comes.
on_exit() {
    local result=$?
    if ((result != 0)); then
        {
            printf '\nFAILED in step %d\n' "$step_number"
            printf 'last request    %s\n' "$request"
            printf 'answer          %s\n' "$status"
            printf 'transaction id  %s\n' "$(header X-Transaction-Id)"
            printf 'body            %s\n' "$(head -c 2000 "$body" | tr -d '\0')"
        } >&2
    fi
    rm -rf "$work"
}

# send METHOD PATH CURL-ARGUMENT...: leaves the answer in $status, $headers and $body.
send() {
    local method=$1 path=$2 authorization=()
    shift 2
    if [[ -n $token ]]; then
        authorization=(--header "Authorization: Bearer $token")
    fi
    request="$method $path $*"
    request_number+=1
    : >"$body"
    : >"$headers"
    status='none'
    status=$(curl --silent --show-error --compressed --max-time 60 --request "$method" --dump-header "$headers" \
        --output "$body" --write-out '%{http_code}' "${authorization[@]}" "$@" "$base_url$path")
}

# expect STATUS METHOD PATH CURL-ARGUMENT...
expect() {
    local wanted=$1
    shift
    send "$@"
    printf '    %s %s → %s\n' "$1" "$2" "$status"
    [[ $status == "$wanted" ]] || fail "expected status $wanted, got $status"
    [[ -n $(header X-Transaction-Id) ]] || fail "the answer has no X-Transaction-Id"
}

# expect_json STATUS METHOD PATH JSON CURL-ARGUMENT...
expect_json() {
    local wanted=$1 method=$2 path=$3 json=$4
    shift 4
    expect "$wanted" "$method" "$path" --header 'Content-Type: application/json' --data-raw "$json" "$@"
}

# is_problem CODE: the last answer is a problem document with this error code, complete.
is_problem() {
    local code=$1 found
    [[ $(header Content-Type) == application/problem+json* ]] || fail "the answer is not application/problem+json"
    found=$(get /error_code)
    [[ $found == "$code" || $found == "$code"-* ]] || fail "expected error code $code, got $found"
    [[ $(get /transaction_id) == "$(header X-Transaction-Id)" ]] || fail "transaction_id differs from X-Transaction-Id"
    [[ $(get /status) == "$status" ]] || fail "the problem's status is not that of the answer"
    note "$found: $(get /message)"
}

# with_token TOKEN COMMAND...: as somebody else; an empty token is nobody.
with_token() {
    local token=$1
    shift
    "$@"
}

# header NAME: of the last answer (of its last head, where there was a 100 Continue before).
header() {
    local name value line=''
    while IFS=: read -r name value; do
        if [[ ${name,,} == "${1,,}" ]]; then
            line=${value# }
        fi
    done <"$headers"
    printf '%s' "${line%$'\r'}"
}

# get POINTER: of the last answer's body.
get() {
    tools get "$body" "$1"
}

# same WHAT EXPECTED FOUND
same() {
    [[ $2 == "$3" ]] || fail "$1: expected '$2', got '$3'"
}

tools() {
    node "$here/tools.mjs" "$@"
}

device() {
    node "$here/device.mjs" "$@"
}

key() {
    printf 'Idempotency-Key: %s' "${1:-$(tools uuid)}"
}
