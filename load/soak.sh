#!/usr/bin/env bash
# Does it bear the load that it can just bear? Twenty minutes at 80 % of the highest rate, with 200 sessions and with 1,000, each on a fresh
# stack; the last two minutes beside the first. With --short half a minute each. FIREMODE_BINARY names another executable than the release
# build. Exit code: 0 if both kept their rate.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# shellcheck source=scripts/common.sh
. scripts/common.sh

PERCENT=80
result=0
export WINDOWS=10 WINDOW_SECONDS=120
for SESSIONS_COUNT in 200 1000; do
    export SESSIONS_COUNT
    say "$SESSIONS_COUNT sessions, $PERCENT % of the highest rate"
    load/steady.sh "$@" --paced "$PERCENT" || result=1
done
exit "$result"
