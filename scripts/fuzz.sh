# shellcheck shell=bash
# What `./run.sh fuzz` runs. Sourced by run.sh.

CARGO_FUZZ_VERSION=0.13.1

# fuzz [TARGET [SECONDS]]: looks for inputs that break what fuzz/src says must hold. What it learns stays in fuzz/corpus.
fuzz() {
    local target=${1:-} seconds=${2:-600}
    [[ -f fuzz/fuzz_targets/$target.rs ]] || die "usage: ./run.sh fuzz TARGET [SECONDS]; targets: $(fuzz_targets)"
    require_cargo_fuzz
    mkdir -p "fuzz/corpus/$target"
    # The code under test holds no unsafe code, so no sanitizer slows it down.
    exec cargo +nightly fuzz run --sanitizer none "$target" "fuzz/corpus/$target" "fuzz/regressions/$target" -- \
        -max_total_time="$seconds" -max_len=4096 -len_control=0 -timeout=30 -rss_limit_mb=2048
}

fuzz_targets() {
    local files=(fuzz/fuzz_targets/*.rs)
    files=("${files[@]##*/}")
    echo "${files[@]%.rs}"
}

require_cargo_fuzz() {
    cargo +nightly --version >/dev/null 2>&1 \
        || die "fuzzing needs a nightly Rust; 'rustup toolchain install nightly' installs it"
    have cargo-fuzz || step "installing cargo-fuzz" cargo install cargo-fuzz --version "$CARGO_FUZZ_VERSION" --locked
}
