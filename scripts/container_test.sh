# shellcheck shell=bash
# What `./run.sh container_test` runs: the Dockerfile's and compose.yaml's steps without an engine. Sourced by run.sh.

# container_test ARCHIVE: runs the executable of a release archive on a bare Debian 12, and then as the Dockerfile's last stage and
# compose.yaml have it: as user 10001, as process 1, without privileges, on a root that is read-only, with one volume. Needs root.
container_test() {
    [[ $# -eq 1 && -f $1 ]] || die "container_test wants a release archive (./run.sh package makes one)"
    ((EUID == 0)) || die "container_test needs root: it mounts file systems and changes its root"
    have debootstrap || step "installing debootstrap" system_packages debootstrap debootstrap debootstrap debootstrap
    have curl || die "curl is missing: install it (Debian: apt-get install curl)"
    PATH="$(find_postgresql):$PATH" || die "the PostgreSQL programs are missing: ./run.sh build installs them"
    work=$(mktemp --directory /tmp/firemode-container.XXXXXX)
    chmod 711 "$work"
    trap clean_up_container_test EXIT
    step "a bare Debian 12" bare_debian
    step "the release archive in it" archive_runs "$1"
    step "a PostgreSQL for it" start_database
    step "what the Dockerfile does" image_steps
    step "FireMode as compose.yaml runs it" image_serves
    step "the end of it" image_stops
}

clean_up_container_test() {
    [[ -z ${container:-} ]] || kill -KILL "$container" 2>/dev/null || true
    [[ ! -d $work/postgres ]] || as_postgres pg_ctl --pgdata "$work/postgres/data" --mode immediate stop >/dev/null 2>&1 || true
    ! mountpoint --quiet "$work/root" || umount --recursive "$work/root"
    ! mountpoint --quiet "$work/layers" || umount "$work/layers"
    rm -rf --one-file-system "$work"
}

# The base is kept; what a run does to it lies in memory, and goes with it.
bare_debian() {
    local base
    base="$(programs_dir)/debian-12"
    if [[ ! -d $base ]]; then
        rm -rf "$base.partial"
        quietly debootstrap --variant=minbase bookworm "$base.partial" || return
        mv "$base.partial" "$base"
    fi
    mkdir "$work/layers" "$work/root"
    mount -t tmpfs tmpfs "$work/layers"
    mkdir "$work/layers/upper" "$work/layers/work"
    mount -t overlay overlay -o "lowerdir=$base,upperdir=$work/layers/upper,workdir=$work/layers/work" "$work/root"
    mount -t proc proc "$work/root/proc"
    mount --rbind --make-rslave /dev "$work/root/dev"
}

in_root() {
    env --ignore-environment PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin chroot "$work/root" "$@"
}

archive_runs() {
    tar --extract --file "$1" --directory "$work/root/opt" || return
    local folder
    folder=/opt/$(basename "$1" .tar.gz)
    in_root sh -c "cd $folder && sha256sum --check --quiet SHA256SUMS && ./firemode --version && ./firemode keys new >/dev/null" || return
    install -m 755 "$work/root$folder/firemode" "$work/firemode"
}

as_postgres() {
    runuser --user postgres -- env PATH="$PATH" "$@"
}

start_database() {
    install --directory --owner=postgres "$work/postgres"
    as_postgres initdb --pgdata "$work/postgres/data" --no-sync --locale=C --auth=trust >/dev/null || return
    as_postgres pg_ctl --pgdata "$work/postgres/data" --log "$work/postgres/log" --wait start \
        --options "-p 55432 -c listen_addresses=127.0.0.1 -c unix_socket_directories=$work/postgres" >/dev/null || return
    DATABASE_PASSWORD=made-for-a-test PGHOST=$work/postgres PGPORT=55432 quietly deploy/container/make_role.sh
}

# last_stage INSTRUCTION: the arguments of that instruction in the Dockerfile's last stage, continued lines joined.
last_stage() {
    awk -v wanted="$1" '/^FROM /{text = ""} !/^#/{text = text $0 "\n"} END{
        gsub(/\\\n/, " ", text); count = split(text, lines, "\n")
        for (i = 1; i <= count; i++) if (index(lines[i], wanted " ") == 1) print substr(lines[i], length(wanted) + 2)}' Dockerfile
}

image_steps() {
    local run
    cp /etc/resolv.conf "$work/root/etc/resolv.conf"
    while IFS= read -r run; do
        quietly in_root sh -c "$run" || return
    done < <(last_stage RUN)
    install -m 755 "$work/firemode" "$work/root/usr/local/bin/firemode"
}

# Only what compose.yaml mounts can be written to: the volume and /tmp.
image_serves() {
    local environment keys uid second
    read -ra environment <<<"$(last_stage ENV)"
    uid=$(last_stage USER)
    in_root firemode keys new >"$work/firemode.env" || return
    mount --options remount,ro "$work/root" || return
    mount -t tmpfs -o "uid=${uid%:*},gid=${uid#*:},mode=700" tmpfs "$work/root/var/lib/firemode" || return
    mount -t tmpfs tmpfs "$work/root/tmp" || return
    mapfile -t keys <"$work/firemode.env"
    env --ignore-environment PATH=/usr/local/bin:/usr/sbin:/usr/bin "${environment[@]}" "${keys[@]}" PORT=58080 \
        DATABASE_URL="postgresql://firemode:made-for-a-test@127.0.0.1:55432/firemode?sslmode=disable" \
        FIREMODE__DATABASE__ALLOW_CLEARTEXT=true FIREMODE__DISK_IS_DURABLE=true INGEST_PORT=0 \
        unshare --pid --fork --kill-child --mount --mount-proc="$work/root/proc" chroot "$work/root" \
        setpriv --reuid "${uid%:*}" --regid "${uid#*:}" --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs \
        firemode >"$work/log" 2>&1 &
    container=$!
    for ((second = 0; second < 60; second++)); do
        kill -0 "$container" || break
        if curl --silent --fail --noproxy '*' --output /dev/null http://127.0.0.1:58080/health/ready; then
            # What the image's HEALTHCHECK asks.
            quietly in_root env "${environment[@]}" firemode status
            return
        fi
        sleep 1
    done
    tail -n 40 "$work/log" >&2
    return 1
}

# As `docker stop`: SIGTERM to process 1, and fifteen seconds.
image_stops() {
    local pid result=0
    pid=$(pgrep --parent "$container") || return
    kill -TERM "$pid"
    timeout 15 tail --pid="$container" --follow /dev/null || return
    wait "$container" || result=$?
    container=
    return "$result"
}
