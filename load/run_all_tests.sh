#!/usr/bin/env bash
# Runs load tests against a stack that it starts itself (release build or FIREMODE_BINARY, a database of its own, all thrown away
# afterwards), or against FIREMODE_BASE_URL where that is set, and compares them with their targets and with the last runs.
#
#   load/run_all_tests.sh [all|burst|spike|final|crdt|peak|sustained] [--full | --short] [--form NAME] [--minutes N]
#
# Without arguments it runs all of them in full, which takes more than five hours; each takes under a minute with --short.
# Exit code: 0 if every limit was held, 1 if one was not, 2 if a test could not be run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

given_binary=${FIREMODE_BINARY:-}

# shellcheck source=load/stack.sh
. load/stack.sh
# shellcheck source=scripts/packages.sh
. scripts/packages.sh
# shellcheck source=scripts/toolchain.sh
. scripts/toolchain.sh
# shellcheck source=scripts/postgresql.sh
. scripts/postgresql.sh

target_is_given() {
    [[ -n ${FIREMODE_BASE_URL:-}${FASTAPI_BASE_URL:-} ]]
}

main() {
    local programs=${CARGO_TARGET_DIR:-load/target}/release started result=0
    require_cargo
    require_c_compiler
    step "building the load generator" cargo build --release --locked --workspace --manifest-path load/Cargo.toml
    if [[ " $* " == *" --list "* ]]; then
        exec "$programs/firemode-load" --list
    fi
    if target_is_given; then
        say "target: ${FIREMODE_BASE_URL:-$FASTAPI_BASE_URL}"
    else
        require_postgresql
        [[ -n $given_binary ]] || step "building FireMode" cargo build --release --locked
        start_stack
    fi
    started=$(date -u +%Y%m%dT%H%M%SZ)
    "$programs/firemode-load" "$@" || result=$?
    ((result < 2)) || exit "$result"
    say ""
    "$programs/firemode-analyse" --since "$started"
}

main "$@"
