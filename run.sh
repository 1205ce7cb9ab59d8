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
# shellcheck source=scripts/check_tools.sh
. scripts/check_tools.sh
# shellcheck source=scripts/checks.sh
. scripts/checks.sh
# shellcheck source=scripts/check_deployment.sh
. scripts/check_deployment.sh
# shellcheck source=scripts/fuzz.sh
. scripts/fuzz.sh
# shellcheck source=scripts/fuzz_api.sh
. scripts/fuzz_api.sh
# shellcheck source=scripts/fuzz_sync.sh
. scripts/fuzz_sync.sh
# shellcheck source=scripts/container_test.sh
. scripts/container_test.sh
# shellcheck source=scripts/package.sh
. scripts/package.sh
# shellcheck source=scripts/upgrade_test.sh
. scripts/upgrade_test.sh
# shellcheck source=scripts/validate.sh
. scripts/validate.sh

usage() {
    cat <<'HELP'
Usage: ./run.sh [COMMAND]

  (none)        Install what is missing, build, and start everything. Ctrl-C stops it.
  build         Install what is missing and build, without starting.
  start         Start what is built already.
  test [STEP]   Install what is missing, then run all checks or one of them, and print how long each took. The steps are
                format, scripts, deployment, openapi, dependencies, clippy, docs, reports, clients and tests.
  test_load [SCENARIO]
                Load tests against a stack of their own, or FIREMODE_BASE_URL; --short for a minute each (load/README.md).
  validate_contracts, validate_performance [--short], validate_resilience, validate_complete, validate_all [--short]
                Prove what is promised: each says how long it takes and what it needs, and ends with a table.
  attack [SECONDS [NAME...]]
                Attack a stack of its own beside an honest neighbour, and print how the neighbour fared (docs/security.md).
  fuzz TARGET [SECONDS]
                Look for inputs that break the session document (CONTRIBUTING.md, Fuzzing).
  fuzz_api [OPTION...]
                Send a running FireMode, which may be thrown away, what its OpenAPI document allows and what it does not
                (docs/security.md); options are those of schemathesis.
  fuzz_sync [REQUESTS [SEED]]
                Compare what a running FireMode, which may be thrown away, makes of the work of several devices with what the
                JavaScript library of Automerge makes of it (CONTRIBUTING.md, Fuzzing).
  package       Build, and pack a release archive: executable, licences, unit, alerts, documents, list of what is in it (SBOM), hashes.
  container_test ARCHIVE
                Run a release archive on a bare Debian 12, and then as Dockerfile and compose.yaml have it, without an engine. Needs root.
  upgrade_test COMMIT [SECONDS]
                Build the release of that commit, and run it and this one together on one database, under load.
  walkthrough   Walk through the API of a running FireMode, as a technician's device would use it.
  seed          Fill the demo organisation of a running FireMode, so that there is something to see.
  token         Print an access token of the demo organisation's admin.
  status, logs, restart NAME, stop NAME, start NAME, reload
                Look at and steer the processes of a running FireMode.
  check, keys, admin, jobs, audit, receipt, report, openapi, migrate
                What 'firemode' does by these names; each explains itself with --help.
  backup FILE   Write the database and the evidence into one file.
  restore FILE  Put such a file back, into an empty FIREMODE_DATA_DIR or database.
  --help        This text.

Variables
  DATABASE_URL        Use this PostgreSQL. Without it FireMode runs one of its own.
  PORT                Public port (8080).
  FIREMODE_DATA_DIR   Where everything that a start writes lies (.firemode).
  FIREMODE_BASE_URL   What the walk-through talks to (http://127.0.0.1:8080), and what load tests go to if it is set.

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

# run_binary [COMMAND...]: replaces this shell, so that the supervisor itself gets the signals.
run_binary() {
    local binary="${CARGO_TARGET_DIR:-target}/release/firemode"
    [[ -x $binary ]] || die "nothing is built yet: there is no $binary; './run.sh build' makes it"
    if [[ -z ${DATABASE_URL:-} ]]; then
        use_installed_postgresql >&2 || true
    fi
    exec "$binary" "$@"
}

walk_through() {
    load_env_file .env
    require_node
    install_packages tests/walkthrough
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
    run_binary
}

# with_what_is_built [COMMAND...]
with_what_is_built() {
    load_env_file .env
    run_binary "$@"
}

# Tests bring their own settings and databases, so .env is not read.
run_tests() {
    set_up_to_build
    run_checks "$@"
}

# Commands that the binary has by the same name.
readonly PASSED_ON='seed|token|status|doctor|logs|restart|stop|reload|check|keys|admin|jobs|audit|receipt|report|openapi|migrate|backup|restore'

main() {
    if (($# > 1)) && [[ $1 == @(-h|--help|help|build|package|walkthrough) ]]; then
        usage >&2
        exit 2
    fi
    # 'start' alone is everything, and with a name one process of a FireMode that runs.
    if [[ ${1:-} == @($PASSED_ON) || (${1:-} == start && $# -gt 1) ]]; then
        with_what_is_built "$@"
    fi
    case "${1:-}" in
        -h | --help | help) usage ;;
        "") build_and_start ;;
        build) build_all ;;
        start) with_what_is_built ;;
        test) run_tests "${@:2}" ;;
        test_load) exec load/run_all_tests.sh "${@:2}" ;;
        attack) exec load/attack.sh "${@:2}" ;;
        fuzz) fuzz "${@:2}" ;;
        fuzz_api) fuzz_api "${@:2}" ;;
        fuzz_sync) fuzz_sync "${@:2}" ;;
        package) package ;;
        container_test) container_test "${@:2}" ;;
        upgrade_test) upgrade_test "${@:2}" ;;
        validate_contracts) validate_contracts ;;
        validate_performance) validate_performance "${@:2}" ;;
        validate_resilience) validate_resilience ;;
        validate_complete) validate_complete ;;
        validate_all) validate_all "${@:2}" ;;
        walkthrough) walk_through ;;
        *)
            say "unknown command: $1" >&2
            usage >&2
            exit 2
            ;;
    esac
}

main "$@"
