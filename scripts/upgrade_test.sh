# shellcheck shell=bash
# What `./run.sh upgrade_test` runs. Sourced by run.sh.

# upgrade_test COMMIT [SECONDS]: builds that release in a work tree of its own, once, and this one, and runs both together on one
# database under load (tests/upgrade/upgrade.mjs).
upgrade_test() {
    (($# > 0)) || die "upgrade_test wants the commit of a release"
    local commit folder binary
    commit=$(git rev-parse --verify --short=7 "$1^{commit}") || die "there is no commit $1"
    set_up_to_build
    require_node
    folder="$(programs_dir)/releases/$commit" binary="$folder/firemode"
    if [[ ! -x $binary ]]; then
        say "building $commit ..."
        rm -rf "$folder"
        git worktree add --force --detach "$folder/source" "$commit"
        cargo build --release --locked --manifest-path "$folder/source/Cargo.toml" --target-dir "$folder/target"
        mv "$folder/target/release/firemode" "$binary"
        git worktree remove --force "$folder/source"
        rm -rf "$folder/target"
    fi
    cargo build --release --locked
    node tests/upgrade/upgrade.mjs "$binary" "${CARGO_TARGET_DIR:-target}/release/firemode" "${@:2}"
}
