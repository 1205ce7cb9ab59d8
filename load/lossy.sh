#!/usr/bin/env bash
# Uploads a file with the official tus client through a link that loses 20 % of all packets, each way, and checks what arrived.
# `load/lossy.sh [BYTES]`, after a build and `npm ci` in tests/walkthrough. Needs nftables, and namespaces that an ordinary user may
# make (or root): the whole appliance runs in a network of its own, so nothing else is disturbed. FIREMODE_BINARY names another
# executable than the release build.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [[ -z ${IN_NAMESPACE:-} ]]; then
    export IN_NAMESPACE=1
    # An ordinary user gets a network of its own only together with a user namespace.
    ((EUID == 0)) && exec unshare --net -- "load/lossy.sh" "$@"
    exec unshare --map-current-user --user --keep-caps --net -- "load/lossy.sh" "$@"
fi

# shellcheck source=load/stack.sh
. load/stack.sh

bytes=${1:-2000000}
ip link set lo up
start_stack
make_session
port=${FIREMODE_BASE_URL##*:}
file=$data_dir/file
shown=$data_dir/shown
head --bytes "$bytes" /dev/urandom >"$file"

# Of the public port alone: the way to ingest is inside the machine.
nft add table inet lossy
nft add chain inet lossy out '{ type filter hook output priority 0; }'
nft add rule inet lossy out tcp dport "$port" numgen random mod 100 '<' 20 counter drop
nft add rule inet lossy out tcp sport "$port" numgen random mod 100 '<' 20 counter drop
started=$(date +%s%N)
node tests/walkthrough/upload.mjs "$file" "$SESSION" 262144 >"$shown"
took=$((($(date +%s%N) - started) / 1000000))
dropped=$(nft list table inet lossy | awk '/counter/ { for (i = 1; i < NF; i++) if ($i == "packets") sum += $(i + 1) } END { print sum }')
nft delete table inet lossy

evidence=$(tail -n 1 "$shown" | jq -r .evidence_id)
json "/v1/evidence/$evidence/content" | cmp - "$file"
tail -n 1 "$shown" >"$data_dir/receipt"
"$FIREMODE_BINARY" receipt verify "$data_dir/receipt" --content "$file" >/dev/null
say "$bytes bytes in $(grep --count '^chunk' "$shown") chunks arrived whole in $took ms, with $dropped packets lost"
