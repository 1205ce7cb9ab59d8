#!/usr/bin/env bash
# Brings a version into service on this machine, step by step; `scripts/deploy.sh --help` says how. docs/deployment.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# shellcheck source=scripts/common.sh
. scripts/common.sh

usage() {
    cat <<'HELP'
Usage: scripts/deploy.sh [OPTION...]

Builds, checks the configuration, shows what migrations would lock, migrates, looks whether the schema is right, puts the executable in
its place, starts or reloads, and asks for its health. It stops at the first step that fails and says how to go back. What runs goes
on serving meanwhile.

  --binary FILE   Deploy this executable instead of building one here.
  --to FILE       Where the executable of the server lies (/usr/local/bin/firemode).
  --env FILE      The server's variables, as NAME=value lines (/etc/firemode/firemode.env where that is there). What the environment
                  sets wins.
  --url URL       Where to ask for its health (http://127.0.0.1:PORT).
  --backup FILE   Before migrations, write a backup into this file.
  --plan          Stop after the plan: nothing of the server is changed.
  --help          This text.
HELP
}

binary='' to=/usr/local/bin/firemode environment_file='' url='' backup='' only_plan=false
way_back='Nothing was changed.'

say_way_back() {
    (($1 == 0)) || say "stopped. $way_back" >&2
}

read_arguments() {
    while (($# > 0)); do
        case $1 in
            --help) usage && exit ;;
            --plan) only_plan=true && shift ;;
            --binary | --to | --env | --url | --backup)
                (($# > 1)) || die "$1 wants a value"
                case $1 in
                    --binary) binary=$2 ;;
                    --to) to=$2 ;;
                    --env) environment_file=$2 ;;
                    --url) url=$2 ;;
                    --backup) backup=$2 ;;
                esac
                shift 2
                ;;
            *) usage >&2 && exit 2 ;;
        esac
    done
}

read_environment() {
    if [[ -z $environment_file && -r /etc/firemode/firemode.env ]]; then
        environment_file=/etc/firemode/firemode.env
    fi
    [[ -z $environment_file || -r $environment_file ]] || die "$environment_file cannot be read"
    [[ -z $environment_file ]] || load_env_file "$environment_file"
    data_dir=${FIREMODE_DATA_DIR:-.firemode}
    [[ -n $url ]] || url=http://127.0.0.1:${PORT:-8080}
}

# as_server COMMAND...: as the user that the data folder belongs to, so that nothing in there becomes root's.
as_server() {
    local owner
    owner=$(stat -c %U "$data_dir" 2>/dev/null) || owner=$(id -un)
    if ((EUID == 0)) && [[ $owner != root ]]; then
        runuser --user "$owner" -- "$@"
    else
        "$@"
    fi
}

# runs EXECUTABLE
runs() {
    as_server "$1" status >/dev/null 2>&1 || (($? != 3))
}

# The database of an appliance that has its own can be asked only while that runs; a start migrates it.
database_answers_without_a_start() {
    [[ -n ${DATABASE_URL:-}${DATABASE_URL_FILE:-} ]] || runs "$to.new"
}

put_beside() {
    install -m 755 "$binary" "$to.new"
    way_back="Nothing was changed; the new executable lies at $to.new."
}

# What it says of each setting is for people who ask; here only its faults are of use.
check() {
    as_server "$to.new" check >/dev/null
}

# plan: 0 where nothing is to be migrated, 5 where something is.
plan() {
    local result=0
    as_server "$to.new" migrate --plan || result=$?
    ((result == 0 || result == 5)) || die "the plan: FAILED ($result)"
    return "$result"
}

migrate() {
    local pending=0
    if ! database_answers_without_a_start; then
        say "the database is FireMode's own, and FireMode does not run: its start will migrate"
        return
    fi
    say "what migrations would do:"
    plan || pending=$?
    if $only_plan || ((pending == 0)); then
        return
    fi
    if [[ -n $backup ]]; then
        [[ -x $to ]] || die "there is no $to, and so nothing to back up; leave --backup out"
        step "backing up" as_server "$to" backup "$backup"
    fi
    way_back="Migrations that ran stay; the version before works with them (docs/deployment.md, Upgrades), so what runs can go on.
Run this again when the reason is mended. Before schema 31: stop, and restore the backup."
    step "migrating" as_server "$to.new" migrate
    step "looking whether the schema is right" quietly plan
}

put_in_place() {
    rm -f "$to.previous"
    way_back="There is no version before this one to go back to; the executable lies at $to."
    if [[ -e $to ]]; then
        cp --preserve "$to" "$to.previous"
        way_back="To go back: mv $to.previous $to && $to reload (as the user that FireMode runs as, with FIREMODE_DATA_DIR=$data_dir)."
    fi
    mv "$to.new" "$to"
}

# A reload that fails has gone back by itself; then the executable that serves is the one that a restart is to find.
reload() {
    as_server "$to" reload && return
    if [[ -e $to.previous ]]; then
        mv "$to" "$to.new" && mv "$to.previous" "$to"
        way_back="What served before goes on, and is in its place again; the new executable lies at $to.new."
    fi
    return 1
}

bring_into_service() {
    if runs "$to"; then
        step "reloading" reload
    elif have systemctl && systemctl cat firemode.service >/dev/null 2>&1; then
        step "starting" as_root systemctl start firemode.service
    else
        die "no FireMode runs in $data_dir, and systemd has no firemode.service: start $to"
    fi
}

# Ready three times in a row, a second apart, within a minute.
is_healthy() {
    local in_a_row=0 deadline=$((SECONDS + 60))
    while ((in_a_row < 3)); do
        if curl --silent --fail --noproxy '*' --max-time 5 --output /dev/null "$url/health/ready"; then
            in_a_row=$((in_a_row + 1))
        else
            in_a_row=0
        fi
        ((SECONDS < deadline)) || return 1
        sleep 1
    done
}

main() {
    read_arguments "$@"
    trap 'say_way_back $?' EXIT
    have curl || die "curl is missing: install it (Debian: apt-get install curl)"
    read_environment
    if [[ -z $binary ]]; then
        ./run.sh build
        binary=${CARGO_TARGET_DIR:-target}/release/firemode
    fi
    step "putting the new executable beside the old one" put_beside
    step "checking the configuration" check
    migrate
    if $only_plan; then
        return
    fi
    step "putting it in place" put_in_place
    bring_into_service
    step "waiting until $url is healthy" is_healthy
    step "looking for what is wrong" as_server "$to" doctor
    say "$("$to" --version) serves at $url"
}

main "$@"
