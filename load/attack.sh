#!/usr/bin/env bash
# Attacks a stack of its own, of the release build with its default bounds, beside an honest neighbour, and prints for each attack how
# the neighbour fared and which processes were ended. `./run.sh attack [SECONDS_EACH [NAME...]]`; FIREMODE_BINARY names another
# executable. Ends with 1 where a process was ended or a request of the neighbour failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# shellcheck source=load/stack.sh
. load/stack.sh

have node || die "node is missing: install it (Debian: apt-get install nodejs)"
ulimit -n "$(ulimit -Hn)"
start_stack
node load/attack/attack.mjs "$stack_pid" "$stack_log" "$@"
