# shellcheck shell=sh
# Makes a PostgreSQL data folder, whole or not at all: it is built beside its place and renamed when it is complete.
# Arguments: the folder with PostgreSQL's programs, the data folder, the name of the role and of its database.
set -eu
programs=$1 data=$2 name=$3
draft=$data.draft.$$

rm -rf "$data".draft.*
# Synced once at the end instead of file by file.
"$programs/initdb" --no-sync --locale=C --encoding=UTF8 -A trust -U postgres -D "$draft" >/dev/null
# Single-user mode takes a statement a line and leaves with 0 even when one fails: the last one shows whether all worked.
"$programs/postgres" --single -D "$draft" postgres <<SQL | grep "datname = \"$name\"" >/dev/null
CREATE ROLE $name LOGIN
CREATE DATABASE $name OWNER $name
SELECT datname FROM pg_database
SQL
"$programs/initdb" --sync-only -D "$draft" >/dev/null
mv -T "$draft" "$data"
