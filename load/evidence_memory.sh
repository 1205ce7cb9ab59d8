#!/usr/bin/env bash
# Does the memory of the ingest process grow with evidence? Uploads files from 1 KB to 1 GB one after the other, then 50 of 20 MB at
# once, and prints its peak (VmHWM) after each. `load/evidence_memory.sh [postgres:|file]`, after a build; FIREMODE_BINARY names
# another executable than the release build.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# shellcheck source=load/stack.sh
. load/stack.sh

export FIREMODE__INGEST__EVIDENCE_BYTES_MAX=$((2 << 30))
# One user sends what several would.
export FIREMODE__SERVER__CALLER_SHARE_PERCENT=60
[[ ${1:-file} == file ]] || export FIREMODE__EVIDENCE__URL=$1

# upload FILE: as a form, streamed by curl.
upload() {
    curl --silent --show-error --fail-with-body --noproxy '*' --output /dev/null "$FIREMODE_BASE_URL/v1/evidence" \
        --header "Authorization: Bearer $ACCESS_TOKEN" --header "Idempotency-Key: $(cat /proc/sys/kernel/random/uuid)" \
        --form "session_id=$SESSION" --form evidence_type=video --form "sha256_hash=$(sha256sum "$1" | cut -d ' ' -f 1)" \
        --form "file=@$1"
}

peak() {
    awk '/VmHWM/ { printf "%.0f MiB\n", $2 / 1024 }' "/proc/$ingest/status"
}

start_stack
make_session
ingest=$(child_of_stack ingest)
folder=$data_dir/files
mkdir "$folder"
say "idle: $(peak)"
for bytes in 1000 1000000 10000000 100000000 1000000000; do
    head --bytes "$bytes" /dev/urandom >"$folder/file"
    upload "$folder/file"
    say "after one file of $bytes bytes: $(peak)"
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
say "after 50 files of 20000000 bytes at once: $(peak)"
