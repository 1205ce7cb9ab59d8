#!/usr/bin/env bash
# Notes what the present release has of its database and asks of it, for the releases that come after it: releases/COMMIT (README.md).
#
# note_release.sh [FILTER...]: statements are those of the integration tests, or of some of them, as `cargo test --test it` chooses.
# Tests of what takes time may fail beside so long a log; what they ask is noted all the same.
set -euo pipefail
cd "$(dirname "$0")/../.."

commit=$(git rev-parse --short=7 HEAD)
folder=tests/upgrade/releases/$commit
programs=${FIREMODE__POSTGRES__BIN_DIR:-$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -1)}
# The database's unprivileged user has to reach it.
work=$(mktemp -d /var/tmp/firemode-release.XXXXXX)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
mkdir -p "$folder" "$work/programs" "$work/data"
mkdir -m 1777 "$work/log"

# PostgreSQL's programs, of which the server notes what it is asked.
ln -s "$programs"/* "$work/programs"
rm "$work/programs/postgres"
cat >"$work/programs/postgres" <<SERVER
#!/bin/sh
case \$1 in
    -V | -C | --*) exec "$programs/postgres" "\$@" ;;
esac
exec "$programs/postgres" "\$@" -c log_statement=all -c log_parameter_max_length=0 -c logging_collector=on \
    -c log_destination=jsonlog -c log_directory="$work/log" -c log_filename="\$\$" -c log_rotation_size=0
SERVER
chmod 755 "$work/programs/postgres"

FIREMODE__POSTGRES__BIN_DIR="$work/programs" cargo test --locked --test it -- "$@" || echo "some tests failed" >&2
node tests/upgrade/statements.mjs "$work/log" | LC_ALL=C sort >"$folder/statements.sql"

export FIREMODE_DATA_DIR="$work/data" PORT=0 INGEST_PORT=0 PGHOST="$work/data/postgres/socket" PGUSER=firemode PGDATABASE=firemode
target/debug/firemode >"$work/firemode.log" 2>&1 &
firemode=$!
until target/debug/firemode status >/dev/null 2>&1; do
    kill -0 "$firemode"
    sleep 0.5
done
# What is not of every version of PostgreSQL, comments and psql's own commands are left out.
{
    "$programs/pg_dump" --schema-only --no-owner --no-privileges
    "$programs/pg_dump" --data-only --inserts -t refinery_schema_history -t database_incarnation
} | grep -v -e '^--' -e '^[\]' -e '^SET transaction_timeout' | cat -s >"$folder/schema.sql"
kill "$firemode"
wait "$firemode"
wc -l "$folder"/*
