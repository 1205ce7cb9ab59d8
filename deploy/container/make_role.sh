#!/usr/bin/env bash
# Runs once, in a PostgreSQL that has just been made: an ordinary role that owns its database, as docs/deployment.md asks for.
set -euo pipefail

psql --username "${POSTGRES_USER:-postgres}" --no-psqlrc --set ON_ERROR_STOP=1 --set "password=$DATABASE_PASSWORD" <<'SQL'
create role firemode login password :'password';
create database firemode owner firemode;
SQL
