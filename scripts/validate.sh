# shellcheck shell=bash
# What `./run.sh validate_*` runs: each promise by a command, and a table of them in the end. Sourced by run.sh.

# Lines of the table, and whether something was missed.
PROOFS=()
PROOF_MISSED=0

# announce NAME TIME NEEDS
announce() {
    say "$1: takes $2 on two processors, after a build; needs $3"
}

# proof TITLE COMMAND...: a line of the table.
proof() {
    local title=$1 started=$SECONDS word=held
    shift
    say "$title ..."
    # In a shell of its own: what ends the command does not end the others.
    ("$@") || {
        word='NOT HELD'
        PROOF_MISSED=1
    }
    PROOFS+=("$(printf '%-9s %6d s  %s' "$word" $((SECONDS - started)) "$title")")
}

show_proofs() {
    say "all in all:"
    printf '  %s\n' "${PROOFS[@]}"
    return "$PROOF_MISSED"
}

# What all of them need. FIREMODE_BINARY is proven in the place of a build, where that goes by a running stack.
prepare_to_validate() {
    set_up_to_build
    require_postgresql
    require_node
    require_jq
    install_packages tests/walkthrough tests/clients
    if [[ -z ${FIREMODE_BINARY:-} ]]; then
        build
        FIREMODE_BINARY=${CARGO_TARGET_DIR:-target}/release/firemode
    fi
    FIREMODE_BINARY=$(realpath "$FIREMODE_BINARY")
    export FIREMODE_BINARY
}

# integration FILTER...: tests of tests/it, of which there has to be one at least.
integration() {
    local log
    log=$(mktemp)
    cargo test --locked --test it -- "$@" 2>&1 | tee "$log"
    grep -q '^test result: ok\. [1-9]' "$log" || return 1
    rm -f "$log"
}

# on_own_stack COMMAND...: against a stack that is thrown away afterwards.
on_own_stack() {
    # shellcheck source=load/stack.sh
    . load/stack.sh
    start_stack
    "$@"
}

prove_contracts() {
    proof "the OpenAPI document is the server's own" cargo test --locked -p firemode-api --test openapi
    proof "each route answers as the document says" integration openapi:: conventions::
    proof "each role gets in where the table says, and nowhere else" integration access::
    proof "clients that are in use, and every example of the documentation" integration clients:: examples:: walkthrough::
    proof "what the document allows and what it does not (schemathesis)" on_own_stack fuzz_api
}

prove_performance() {
    proof "final validation: p95 under 300 ms with 500 users" load/run_all_tests.sh final "$@"
}

prove_resilience() {
    proof "the table of faults" tests/chaos/table.sh
}

prove_complete() {
    proof "what a customer tries" on_own_stack node tests/acceptance/acceptance.mjs
}

validate_contracts() {
    announce validate_contracts "15 minutes" "Rust, PostgreSQL, Node, Python 3.10, jq"
    prepare_to_validate
    prove_contracts
    show_proofs
}

# validate_performance [--short]
validate_performance() {
    announce validate_performance "8 minutes (under one with --short)" "Rust, PostgreSQL, a machine with nothing else to do"
    prepare_to_validate
    prove_performance "$@"
    show_proofs
}

validate_resilience() {
    announce validate_resilience "30 minutes" "Rust, PostgreSQL, Node, nftables, a kernel that lets one make a network namespace"
    prepare_to_validate
    prove_resilience
    show_proofs
}

validate_complete() {
    announce validate_complete "2 minutes" "Rust, PostgreSQL, Node"
    prepare_to_validate
    prove_complete
    show_proofs
}

validate_all() {
    announce validate_all "an hour" "what the four others need"
    prepare_to_validate
    prove_contracts
    prove_complete
    prove_performance "$@"
    prove_resilience
    show_proofs
}
