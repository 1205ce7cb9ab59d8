-- The history of the database that a record is part of. It is another one once the database was restored from a copy, or a standby took
-- over, which may have been behind: PostgreSQL begins a new timeline then, and so does a restore to a moment. The server's own actors
-- carry it, and are gone on with in the same history alone.
do $$
begin
    perform pg_walfile_name(pg_current_wal_insert_lsn());
    create function database_lineage() returns text language sql stable as
        'select left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)
                || coalesce((select id::text from database_incarnation), '''')';
exception when others then
    -- A service that is like PostgreSQL and keeps its log in another way.
    create function database_lineage() returns text language sql stable as
        'select coalesce((select id::text from database_incarnation), '''')';
end $$;
