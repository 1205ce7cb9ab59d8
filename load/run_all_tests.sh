#!/usr/bin/env bash
# Runs every load test there is, against a stack that it starts itself (release build, a database of its own, all thrown
# away afterwards), or against FIREMODE_BASE_URL where that is set. Arguments go to the load generator: --short, a
# scenario's name, --form NAME. Exit code: 0 if every limit was held; otherwise one was not, or the test could not be run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# shellcheck source=scripts/common.sh
. scripts/common.sh
# shellcheck source=scripts/packages.sh
. scripts/packages.sh
# shellcheck source=scripts/toolchain.sh
. scripts/toolchain.sh
# shellcheck source=scripts/postgresql.sh
. scripts/postgresql.sh
# shellcheck source=load/stack.sh
. load/stack.sh

target_is_given() {
    [[ -n ${FIREMODE_BASE_URL:-}${FASTAPI_BASE_URL:-} ]]
}

main() {
    require_cargo
    require_c_compiler
    step "building the load generator" cargo build --release --locked --manifest-path load/Cargo.toml
    if target_is_given; then
        say "target: ${FIREMODE_BASE_URL:-$FASTAPI_BASE_URL}"
    else
        require_postgresql
        step "building FireMode" cargo build --release --locked
        start_stack
    fi
    cargo run --quiet --release --locked --manifest-path load/Cargo.toml -- "$@"
}

main "$@"
