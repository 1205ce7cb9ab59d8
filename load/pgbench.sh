# shellcheck shell=bash
# The inserts of results requests by PostgreSQL's own generator of load, on the stack's database. Sourced, after drive.sh, and before
# the stack is started.

# shellcheck disable=SC2154 # stack.sh and drive.sh set data_dir and work_dir.

# The embedded PostgreSQL takes as many connections as the appliance may use and a few more: pgbench's have to fit.
export FIREMODE__DATABASE__POOL_SIZE=$((CONNECTIONS + 20))

require_pgbench() {
    PGBENCH=$(command -v pgbench || find /usr/lib/postgresql -name pgbench 2>/dev/null | sort -V | tail -n 1)
    [[ -n $PGBENCH ]] || die "pgbench is missing: install it (Debian: apt-get install postgresql-contrib)"
}

# sql STATEMENT: the rows, without decoration.
sql() {
    PGOPTIONS='-c firemode.purpose=operator' psql -XAtq -h "$data_dir/postgres/socket" -U firemode -d firemode -c "$1"
}

# pgbench_script ROWS: the rows that one results request leaves, so many times over, for a session of pgbench's own as one transaction.
# They are copied from the product's own rows; hashes and keys are new each time.
pgbench_script() {
    local session first rows="from generate_series(1, $1)"
    (($1 > 1)) || rows=''
    first=$(head -n 1 "$work_dir/sessions")
    session="(array['$(paste -sd, "$work_dir/pgbench_sessions" | sed "s/,/','/g")']::uuid[])[:n]"
    printf '%s\n' "\\set n random(1, $SESSIONS_COUNT)" 'begin;'
    sql "select format(\$f\$insert into session_changes (session_id, organisation_id, user_id, instance_id, hash, actor, seq,
            start_op, bytes, device, deps)
        select $session, %L, %L, %L, sha256(r), r, 1, %s, %L, %L, %L from (select uuid_send(gen_random_uuid()) r $rows offset 0) new;
    \$f\$, organisation_id, user_id, instance_id, start_op, bytes, device, deps::text) from session_changes
        where session_id = '$first' and device = 'device-0' limit 1"
    sql "select format(\$f\$insert into idempotency_keys (organisation_id, user_id, method, path, key, fingerprint, status, answer,
            expires_at)
        select %L, %L, 'POST', '/v1/tests/sessions/' || $session || '/results', gen_random_uuid()::text, %L, 200, %L,
            now() + interval '30 days' $rows;
    \$f\$, organisation_id, user_id, fingerprint, answer) from idempotency_keys where path like '%/results' limit 1"
    sql "select format(\$f\$insert into audit_log (id, organisation_id, user_id, action, resource_type, resource_id, status,
            transaction_id, after, leaf, leaf_hash, created_at)
        select gen_random_uuid(), %L, %L, %L, %L, $session::text, 'success', gen_random_uuid(), %L, %L, %L, now() $rows;
    \$f\$, organisation_id, user_id, action, resource_type, after, leaf, leaf_hash) from audit_log
        where action = 'results.accept' limit 1"
    echo 'commit;'
}

# pgbench_rate SCRIPT CLIENTS [SCHEMA]: transactions a second, on the product's own tables or on those of a schema.
pgbench_rate() {
    PGOPTIONS="-c firemode.organisations={$ORGANISATION} -c search_path=${3:-public}" "$PGBENCH" -n -M prepared -c "$2" -j 2 \
        -T "$SECONDS_EACH" -f "$1" -h "$data_dir/postgres/socket" -U firemode firemode 2>"$work_dir/pgbench.log" | sed -n 's/^tps = \([0-9]*\).*/\1/p'
}
