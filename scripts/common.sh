# shellcheck shell=bash
# Messages, steps and small helpers of run.sh. Sourced, with the project's folder as the working directory.

say() {
    printf '%s: %s\n' "${0##*/}" "$*"
}

die() {
    say "$@" >&2
    exit 1
}

have() {
    command -v "$1" >/dev/null 2>&1
}

# step TITLE COMMAND...: one line before, one after with the time it took. A failure ends run.sh.
step() {
    local title=$1 started=$SECONDS
    shift
    say "$title ..."
    "$@" || die "$title: FAILED after $((SECONDS - started)) s ($*)"
    say "$title: done in $((SECONDS - started)) s"
}

# quietly COMMAND...: shows the command's output only if it fails.
quietly() {
    local output
    if ! output=$("$@" 2>&1 </dev/null); then
        printf '%s\n' "$output" >&2
        return 1
    fi
}

# as_root COMMAND...: fails rather than asking for a password.
as_root() {
    if ((EUID == 0)); then
        "$@"
    elif have sudo && sudo -n true 2>/dev/null; then
        sudo -n "$@"
    else
        return 1
    fi
}

can_be_root() {
    as_root true
}

# at_least WANTED FOUND: compares dotted versions.
at_least() {
    [[ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" == "$1" ]]
}

# load_env_file FILE: exports its NAME=value lines, literally, without overriding what is set.
load_env_file() {
    local file=$1 line name value number=0
    [[ -f $file ]] || return 0
    while IFS= read -r line || [[ -n $line ]]; do
        number=$((number + 1))
        line=${line%$'\r'}
        [[ $line =~ ^[[:space:]]*(#|$) ]] && continue
        [[ $line =~ ^([A-Za-z_][A-Za-z0-9_]*)=(.*)$ ]] || die "$file: line $number is not a NAME=value line"
        name=${BASH_REMATCH[1]} value=${BASH_REMATCH[2]}
        if [[ $value =~ ^\"(.*)\"$ || $value =~ ^\'(.*)\'$ ]]; then
            value=${BASH_REMATCH[1]}
        fi
        [[ -n ${!name:-} ]] || export "$name=$value"
    done <"$file"
}

# Where programs go that run.sh itself fetches. PostgreSQL refuses to run as root, and the unprivileged user that it
# then runs as must be able to reach it: root's home is closed to others.
programs_dir() {
    local data_dir
    data_dir=$(realpath -m "${FIREMODE_DATA_DIR:-.firemode}")
    if ((EUID == 0)) && ! others_can_reach "$data_dir"; then
        echo /var/lib/firemode/programs
    else
        echo "$data_dir/programs"
    fi
}

others_can_reach() {
    local folder=$1
    while [[ $folder != / ]]; do
        if [[ -e $folder && ! "$(stat -L -c %A "$folder")" =~ [xt]$ ]]; then
            return 1
        fi
        folder=$(dirname "$folder")
    done
}
