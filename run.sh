#!/usr/bin/env bash
# Sets up, builds, starts and tests FireMode. `./run.sh --help` says how.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# shellcheck source=scripts/common.sh
. scripts/common.sh
# shellcheck source=scripts/packages.sh
. scripts/packages.sh
# shellcheck source=scripts/toolchain.sh
. scripts/toolchain.sh
# shellcheck source=scripts/postgresql.sh
. scripts/postgresql.sh
# shellcheck source=scripts/checks.sh
. scripts/checks.sh

usage() {
    cat <<'HELP'
Usage: ./run.sh [COMMAND]

  (none)        Install what is missing, build, and start everything. Ctrl-C stops it.
  build         Install what is missing and build, without starting.
  start         Start what is built already.
  test          Install what is missing, then format check, clippy, documentation and every test.
  walkthrough   Walk through the API of a running FireMode, as a technician's device would use it.
  --help        This text.

Variables
  DATABASE_URL        Use this PostgreSQL. Without it FireMode runs one of its own.
  PORT                Public port (8080).
  FIREMODE_DATA_DIR   Where everything that a start writes lies (.firemode).
  FIREMODE_BASE_URL   What the walk-through talks to (http://127.0.0.1:8080).

Variables are also read from a file .env here (see .env.example); what the environment sets wins over it.
config/default.toml lists every setting.
HELP
}

set_up_to_build() {
    require_cargo
    require_c_compiler
}

set_up_to_run() {
    if [[ -n ${DATABASE_URL:-} ]]; then
        say "PostgreSQL: the one that DATABASE_URL names"
    else
        require_postgresql
    fi
}

build() {
    step "building (a first build takes some minutes)" cargo build --release --locked
}

# Replaces this shell, so that the supervisor itself gets the signals.
start() {
    local binary="${CARGO_TARGET_DIR:-target}/release/firemode"
    [[ -x $binary ]] || die "nothing is built yet: there is no $binary; './run.sh build' makes it"
    if [[ -z ${DATABASE_URL:-} ]]; then
        use_installed_postgresql || true
    fi
    exec "$binary"
}

walk_through() {
    load_env_file .env
    require_node
    install_walkthrough_packages
    exec tests/walkthrough/walkthrough.sh
}

build_all() {
    load_env_file .env
    set_up_to_build
    set_up_to_run
    build
}

build_and_start() {
    build_all
    start
}

start_what_is_built() {
    load_env_file .env
    start
}

# Tests bring their own settings and databases, so .env is not read.
test_all() {
    set_up_to_build
    require_postgresql
    run_checks
}

main() {
    if (($# > 1)); then
        usage >&2
        exit 2
    fi
    case "${1:-}" in
        -h | --help | help) usage ;;
        "") build_and_start ;;
        build) build_all ;;
        start) start_what_is_built ;;
        test) test_all ;;
        walkthrough) walk_through ;;
        *)
            say "unknown command: $1" >&2
            usage >&2
            exit 2
            ;;
    esac
}

main "$@"
