#!/usr/bin/env bash
# What background work can do and costs. `load/jobs.sh [JOBS] [ENGINES]` (2,000 jobs, 3 engines), after `./run.sh build` and
# `cargo build --release --example drain -p firemode-worker`; FIREMODE_BINARY and DRAIN name other executables, ROUNDS and IDLE_SECONDS change
# how long it takes. Needs psql and pgbench. Prints
# - how many jobs a second the engines drain from one database, and how many jobs were worked on once, beside durable transactions that
#   change a bare row, on as many connections (pgbench), in turns,
# - how many statements and transactions a second an idle worker asks of the database: those with it, less those without.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# shellcheck source=load/stack.sh
. load/stack.sh

DRAIN=${DRAIN:-${CARGO_TARGET_DIR:-target}/release/examples/drain}
ROUNDS=${ROUNDS:-5}
IDLE_SECONDS=${IDLE_SECONDS:-60}

# as USER STATEMENT: the rows, without decoration.
as() {
    psql -XAtq -h "$data_dir/postgres/socket" -U "$1" -d firemode -c "$2"
}

drain() {
    DATABASE_URL="postgresql:///firemode?host=$data_dir/postgres/socket&user=firemode" "$DRAIN" "$1" "$2"
}

# bare CLIENTS: transactions a second.
bare() {
    "$PGBENCH" -n -M prepared -c "$1" -T 3 -f "$data_dir/bare.sql" -h "$data_dir/postgres/socket" -U firemode firemode 2>/dev/null |
        sed -n 's/^tps = \([0-9]*\).*/\1/p'
}

# What the database was asked so far: statements that it logged, and transactions that ended.
asked() {
    # A connection reports its transactions a moment later.
    sleep 2
    echo "$(grep -cE 'LOG: +(statement|execute [^:]*):' "$stack_log")" \
        "$(as firemode 'select xact_commit + xact_rollback from pg_stat_database where datname = current_database()')"
}

# Statements and transactions a second.
asked_idle() {
    local before
    before=$(asked)
    sleep "$IDLE_SECONDS"
    echo "$before $(asked)" | awk -v seconds="$((IDLE_SECONDS + 2))" '{ printf "%.2f %.2f", ($3 - $1) / seconds, ($4 - $2) / seconds }'
}

main() {
    local jobs=${1:-2000} engines=${2:-3} round rate once all bare with without
    [[ -x $DRAIN ]] || die "there is no $DRAIN; 'cargo build --release --example drain -p firemode-worker' makes it"
    PGBENCH=$(command -v pgbench || find /usr/lib/postgresql -name pgbench 2>/dev/null | sort -V | tail -n 1)
    [[ -n $PGBENCH ]] || die "pgbench is missing: install it (Debian: apt-get install postgresql-contrib)"
    start_stack
    as firemode 'create table bare (id int primary key, n int); insert into bare select n, 0 from generate_series(1, 1000) n'
    printf '\\set id random(1, 1000)\nupdate bare set n = n + 1 where id = :id;\n' >"$data_dir/bare.sql"
    printf '%12s %12s %8s %s\n' 'jobs/s' 'bare tx/s' ratio 'worked on once'
    for ((round = 0; round < ROUNDS; round++)); do
        read -r rate once all < <(drain "$jobs" "$engines")
        bare=$(bare "$engines")
        awk -v rate="$rate" -v bare="$bare" -v once="$once" -v all="$all" \
            'BEGIN { printf "%12d %12d %8.2f %d of %d\n", rate, bare, rate / bare, once, all }'
    done
    say "idle: the worker is watched for $IDLE_SECONDS s, and the database without it for as long"
    as postgres "alter system set log_statement = 'all'"
    as postgres 'select pg_reload_conf()' >/dev/null
    sleep 20
    with=$(asked_idle)
    "$FIREMODE_BINARY" stop worker >/dev/null
    without=$(asked_idle)
    echo "$with $without" | awk '{ printf "a second, with the worker and without: %s and %s statements, %s and %s transactions; ", $1, $3, $2, $4
        printf "its own: %.2f statements in %.2f transactions\n", $1 - $3, $2 - $4 }'
}

main "$@"
