#!/usr/bin/env bash
# Uploads a file with the official tus client through a link that loses 20 % of all packets, each way, and checks what arrived.
# `load/lossy.sh [BYTES]`, after a build and `npm ci` in tests/walkthrough. Needs nftables, and namespaces that an ordinary user may
# make (or root): the whole appliance runs in a network of its own, so nothing else is disturbed. FIREMODE_BINARY as for
# evidence_memory.sh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [[ -z ${IN_NAMESPACE:-} ]]; then
    export IN_NAMESPACE=1
    # An ordinary user gets a network of its own only together with a user namespace.
    ((EUID == 0)) && exec unshare --net -- "$0" "$@"
    exec unshare --map-current-user --user --keep-caps --net -- "$0" "$@"
fi
bytes=${1:-2000000}
binary=${FIREMODE_BINARY:-${CARGO_TARGET_DIR:-target}/release/firemode}
folder=$(mktemp -d -p "${TMPDIR:-/var/tmp}")
chmod 755 "$folder"
export FIREMODE_DATA_DIR=$folder/data PORT=18995 INGEST_PORT=18994
export FIREMODE_BASE_URL=http://127.0.0.1:$PORT
pid=

stop() {
    [[ -z $pid ]] || kill -TERM "$pid" 2>/dev/null || true
    wait || true
    rm -rf "$folder"
}
trap stop EXIT

json() { curl --silent --show-error --fail-with-body --header "Authorization: Bearer ${ACCESS_TOKEN:-}" \
    --header 'Content-Type: application/json' "$@"; }

ip link set lo up
"$binary" >"$folder/log" 2>&1 &
pid=$!
until curl --silent --fail --output /dev/null "$FIREMODE_BASE_URL/health/ready"; do sleep 0.1; done
ACCESS_TOKEN=$(json "$FIREMODE_BASE_URL/v1/auth/register" --data '{"organisation_name": "Lossy", "email": "l@example.com",
    "password": "lantern gravel teapot orbit", "full_name": "L"}' | jq -r .access_token)
export ACCESS_TOKEN
building=$(json "$FIREMODE_BASE_URL/v1/buildings" --data '{"site_name": "A", "site_address": "B"}' | jq -r .id)
session=$(json "$FIREMODE_BASE_URL/v1/tests/sessions" --data "{\"building_id\": \"$building\"}" | jq -r .id)
head --bytes "$bytes" /dev/urandom >"$folder/file"

# Of the public port alone: the way to ingest is inside the machine.
nft add table inet lossy
nft add chain inet lossy out '{ type filter hook output priority 0; }'
nft add rule inet lossy out tcp dport "$PORT" numgen random mod 100 '<' 20 counter drop
nft add rule inet lossy out tcp sport "$PORT" numgen random mod 100 '<' 20 counter drop
started=$(date +%s%N)
node tests/walkthrough/upload.mjs "$folder/file" "$session" 262144 >"$folder/told"
took=$((($(date +%s%N) - started) / 1000000))
dropped=$(nft list table inet lossy | awk '/counter/ { for (i = 1; i < NF; i++) if ($i == "packets") sum += $(i + 1) } END { print sum }')
nft delete table inet lossy

evidence=$(tail -n 1 "$folder/told" | jq -r .evidence_id)
json "$FIREMODE_BASE_URL/v1/evidence/$evidence/content" | cmp - "$folder/file"
tail -n 1 "$folder/told" >"$folder/receipt"
"$binary" receipt verify "$folder/receipt" --content "$folder/file" >/dev/null
echo "$bytes bytes in $(grep --count '^chunk' "$folder/told") chunks arrived whole in $took ms, with $dropped packets lost"
