-- The timeline of the database's history, by itself. A standby is none of the timeline that it follows: it may be behind.
do $$
begin
    perform pg_walfile_name(pg_current_wal_insert_lsn());
    create or replace function database_timeline() returns text language sql stable as
        'select case when pg_is_in_recovery()
                     then ''standby '' || (select timeline_id from pg_control_checkpoint())
                     else left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) end';
exception when others then
    -- A service that is like PostgreSQL and keeps its log in another way.
    create or replace function database_timeline() returns text language sql stable as 'select ''''';
end $$;

create or replace function database_lineage() returns text language sql stable as
    'select database_timeline() || coalesce((select id::text from database_incarnation), '''')';

-- The timeline in which the incarnation was noted. In another one a standby has taken over, and tokens of before mean nothing.
alter table database_incarnation add column if not exists timeline text;
update database_incarnation set timeline = database_timeline() where timeline is null;

-- A process whose last write failed writes here, until one is taken.
create table if not exists write_probes (
    only_row boolean primary key default true check (only_row),
    written_at timestamptz not null,
    -- So much that there has to be room for it.
    filler text not null
);
alter table write_probes alter column filler set storage external;
