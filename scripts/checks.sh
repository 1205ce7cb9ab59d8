# shellcheck shell=bash
# What `./run.sh test` runs. Sourced by run.sh.

# The steps, in the order in which they run: the quick ones first.
CHECKS=(format scripts deployment openapi dependencies clippy docs reports clients tests)

# run_checks [STEP]: all steps or one, and how long each took.
run_checks() {
    local checks=("${CHECKS[@]}") all_started=$SECONDS started name times=()
    if (($# > 0)); then
        is_check "$1" || die "there is no step $1; the steps are: ${CHECKS[*]}"
        checks=("$1")
    fi
    for name in "${checks[@]}"; do
        started=$SECONDS
        "check_$name"
        times+=("$(printf '%-14s %5d s' "$name" $((SECONDS - started)))")
    done
    say "all checks passed:"
    printf '  %s\n' "${times[@]}" "$(printf '%-14s %5d s' together $((SECONDS - all_started)))"
}

is_check() {
    [[ " ${CHECKS[*]} " == *" $1 "* ]]
}

check_format() {
    require_rust_component fmt rustfmt
    step "format" cargo fmt --all --check
    step "format of the load tests" cargo fmt --manifest-path load/Cargo.toml --all --check
}

check_scripts() {
    have_check_tool shellcheck || return 0
    # What is only sourced is checked with what sources it.
    step "shell scripts" shellcheck --external-sources --check-sourced run.sh .ci/run load/*.sh \
        scripts/deploy.sh deploy/container/*.sh tests/walkthrough/walkthrough.sh tests/upgrade/note_release.sh tests/chaos/table.sh \
        services/supervisor/src/postgres/initialise.sh
}

check_dependencies() {
    if have_check_tool cargo-deny; then
        # It reads the crates of other platforms too, which no build here has fetched.
        step "fetching dependencies" cargo fetch --locked
        step "licences, bans and sources of dependencies" cargo deny --offline check licenses bans sources
    fi
    if have_check_tool cargo-machete; then
        step "unused dependencies" cargo machete
    fi
}

check_clippy() {
    require_rust_component clippy clippy
    step "clippy" cargo clippy --workspace --all-targets --locked -- -D warnings
}

check_docs() {
    step "documentation" env RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
}

# Other people's programs read each form of a report and must find the same figures.
check_reports() {
    local python folder
    python_with readers tests/reports/requirements.txt
    folder=$(mktemp -d)
    step "a report in every form" cargo run --locked --package firemode-reports --example sample -- "$folder"
    step "reports as other programs read them" "$python" tests/reports/compare.py "$folder"
    rm -r "$folder"
}

# What generators make of docs/openapi.json, which a test holds against the code.
check_clients() {
    local generators=(openapi-typescript openapi-ts orval)
    require_node
    install_packages tests/generated
    have_check_tool openapi-python-client && generators+=(openapi-python-client)
    have_check_tool openapi-generator-cli && have_check_tool java && generators+=(typescript-fetch)
    step "clients made of the OpenAPI document" node tests/generated/generate.mjs \
        "${CARGO_TARGET_DIR:-target}/generated-clients" "$(generators_dir)" "${generators[@]}"
}

check_tests() {
    local python
    require_postgresql
    require_node
    require_jq
    install_packages tests/walkthrough tests/clients
    python_with analysis tests/docs/requirements.txt
    export ANALYSIS_PYTHON=$python
    local without=()
    have_check_tool pgbouncer || without=(-- --skip poolers::)
    step "tests" cargo test --workspace --locked "${without[@]}"
}
