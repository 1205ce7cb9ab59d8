#!/usr/bin/env bash
# Does the memory of the ingest process grow with evidence? Uploads files from 1 KB to 1 GB one after the other, then 50 of 20 MB at
# once, and prints its peak (VmHWM) after each. `load/evidence_memory.sh [postgres:|file]`, after a build; FIREMODE_BINARY names
# another executable than the release build.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

binary=${FIREMODE_BINARY:-${CARGO_TARGET_DIR:-target}/release/firemode}
folder=$(mktemp -d -p "${TMPDIR:-/var/tmp}")
chmod 755 "$folder"
export FIREMODE_DATA_DIR=$folder/data PORT=18997 INGEST_PORT=18996
export FIREMODE__INGEST__EVIDENCE_BYTES_MAX=$((2 << 30))
[[ ${1:-file} == file ]] || export FIREMODE__EVIDENCE__URL=$1
url=http://127.0.0.1:$PORT
pid=

stop() {
    [[ -z $pid ]] || kill -TERM "$pid" 2>/dev/null || true
    wait || true
    rm -rf "$folder"
}
trap stop EXIT

json() { curl --silent --show-error --fail-with-body --header "Authorization: Bearer ${token:-}" \
    --header 'Content-Type: application/json' "$@"; }

# upload FILE: as a form, streamed by curl.
upload() {
    curl --silent --show-error --fail-with-body --output /dev/null "$url/v1/evidence" \
        --header "Authorization: Bearer $token" --header "Idempotency-Key: $(cat /proc/sys/kernel/random/uuid)" \
        --form "session_id=$session" --form evidence_type=video --form "sha256_hash=$(sha256sum "$1" | cut -d ' ' -f 1)" \
        --form "file=@$1"
}

peak() {
    awk '/VmHWM/ { printf "%.0f MiB\n", $2 / 1024 }' "/proc/$ingest/status"
}

"$binary" >"$folder/log" 2>&1 &
pid=$!
until curl --silent --fail --output /dev/null "$url/health/ready"; do sleep 0.1; done
ingest=$(pgrep --parent "$pid" --full ' ingest$')
token=$(json "$url/v1/auth/register" --data '{"organisation_name": "Memory", "email": "m@example.com",
    "password": "lantern gravel teapot orbit", "full_name": "M"}' | jq -r .access_token)
building=$(json "$url/v1/buildings" --data '{"site_name": "A", "site_address": "B"}' | jq -r .id)
session=$(json "$url/v1/tests/sessions" --data "{\"building_id\": \"$building\"}" | jq -r .id)
echo "idle: $(peak)"
for bytes in 1000 1000000 10000000 100000000 1000000000; do
    head --bytes "$bytes" /dev/urandom >"$folder/file"
    upload "$folder/file"
    echo "after one file of $bytes bytes: $(peak)"
done
for number in $(seq 50); do
    head --bytes 20000000 /dev/urandom >"$folder/file-$number"
done
uploads=()
for number in $(seq 50); do
    upload "$folder/file-$number" &
    uploads+=($!)
done
for upload in "${uploads[@]}"; do wait "$upload"; done
echo "after 50 files of 20000000 bytes at once: $(peak)"
