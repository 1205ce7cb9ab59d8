# shellcheck shell=bash
# What `./run.sh test` runs. Sourced by run.sh.

run_checks() {
    local started=$SECONDS
    require_rust_component fmt rustfmt
    require_rust_component clippy clippy
    require_node
    require_jq
    install_walkthrough_packages
    step "format" cargo fmt --all --check
    step "format of the load tests" cargo fmt --manifest-path load/Cargo.toml --check
    check_scripts
    step "clippy" cargo clippy --workspace --all-targets --locked -- -D warnings
    step "documentation" env RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
    check_dependencies
    step "tests" cargo test --workspace --locked
    say "all checks passed in $((SECONDS - started)) s"
}

check_scripts() {
    if have shellcheck; then
        # What is only sourced is checked with what sources it.
        step "shell scripts" shellcheck --external-sources --check-sourced run.sh .ci/run load/*.sh \
            tests/walkthrough/walkthrough.sh services/supervisor/src/postgres/initialise.sh
    else
        say "shell scripts: skipped, shellcheck is not installed"
    fi
}

check_dependencies() {
    if have cargo-deny; then
        # It reads the crates of other platforms too, which no build here has fetched.
        step "fetching dependencies" cargo fetch --locked
        step "licences, bans and sources of dependencies" cargo deny --offline check licenses bans sources
    else
        say "licences, bans and sources of dependencies: skipped, cargo-deny is not installed"
    fi
    if have cargo-machete; then
        step "unused dependencies" cargo machete
    else
        say "unused dependencies: skipped, cargo-machete is not installed"
    fi
}
