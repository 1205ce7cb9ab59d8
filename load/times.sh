# shellcheck shell=bash
# How long requests take one after the other, beside a request that reads one row. Sourced, behind drive.sh.

REQUESTS=${REQUESTS:-40}
row=''
failed=0

# took METHOD PATH [BODY]: median and greatest time of its answers, in ms.
took() {
    local round data=()
    (($# < 3)) || data=(-H 'Content-Type: application/json' -d "$3")
    for ((round = 0; round < REQUESTS; round++)); do
        curl --silent --fail --noproxy '*' --output /dev/null --write-out '%{time_total}\n' -X "$1" -H "Authorization: Bearer $TOKEN" \
            "${data[@]}" "$FIREMODE_BASE_URL$2"
    done | sort -n | awk '{ ms[NR] = $1 * 1000 } END { printf "%.1f %.1f\n", ms[int((NR + 1) / 2)], ms[NR] }'
}

# compare NAME METHOD PATH [BODY]: prints how long it takes, also beside a row, of which `row` says how long that takes. Sets `failed` where
# it is LIST_MAX ms or more.
compare() {
    local median most
    read -r median most < <(took "${@:2}")
    say "$1: median $median ms, greatest $most ms, $(awk -v a="$median" -v b="$row" 'BEGIN { printf "%.1f", a / b }') times a row"
    awk -v median="$median" -v most="$LIST_MAX" 'BEGIN { exit !(median < most) }' || failed=1
}

# Ends the script: with 1 where something took too long.
finish() {
    exit "$failed"
}
