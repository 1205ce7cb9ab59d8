# shellcheck shell=bash
# What the stack's processes take of the processors, and what a request takes. Sourced, after stack.sh.

# shellcheck disable=SC2154 # stack.sh sets stack_pid, and drive.sh work_dir.

# ticks PID [ended]: what a process has taken so far, or that and what its ended children took. Without one: nothing.
ticks() {
    awk -v ended="${2:-}" '{ sub(/^.*\) /, ""); print $12 + $13 + (ended ? $14 + $15 : 0) }' "/proc/${1:-none}/stat" 2>/dev/null || echo 0
}

# PostgreSQL's first process: the parent of all others, of those that have ended too.
postmaster() {
    pgrep --parent "$stack_pid" --exact postgres
}

# processor_time: microseconds so far of the API, ingest, the worker, the supervisor and PostgreSQL.
processor_time() {
    local role pid postgres
    pid=$(postmaster)
    postgres=$(ticks "$pid" ended)
    for pid in $(pgrep --parent "$pid"); do ((postgres += $(ticks "$pid"))); done
    {
        for role in api ingest worker; do ticks "$(child_of_stack $role)"; done
        ticks "$stack_pid"
        echo "$postgres"
    } | awk -v tick="$((1000000 / $(getconf CLK_TCK)))" '{ printf "%d ", $1 * tick }'
}

# each_took "BEFORE" "AFTER" COUNT: microseconds for each of so many requests, in the order of processor_time, and all together.
each_took() {
    awk -v before="$1" -v after="$2" -v count="$3" 'BEGIN {
        split(before, b); roles = split(after, a)
        for (role = 1; role <= roles; role++) { each = (a[role] - b[role]) / (count ? count : 1); all += each; printf "%.0f ", each }
        printf "%.0f\n", all }'
}

# drive_measured SECONDS: drives the sessions that drive.sh has prepared; what drive prints, and microseconds of API, ingest,
# worker, supervisor, PostgreSQL and all of them for a request.
drive_measured() {
    local before driven
    before=$(processor_time)
    read -ra driven < <(drive "$FIREMODE_BASE_URL" "$TOKEN" "$work_dir/sessions" 5 "$CONNECTIONS" "$1")
    echo "${driven[*]} $(each_took "$before" "$(processor_time)" "${driven[0]}")"
}
