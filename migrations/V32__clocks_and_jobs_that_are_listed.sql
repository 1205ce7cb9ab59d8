-- The clocks of sessions are kept by the worker: how far each of them has been reckoned, and how far sessions with something new have
-- been looked for. Lists of jobs by who started them. All of it can be run again.

set local firemode.purpose = 'operator';

create table if not exists session_clocks (
    session_id uuid primary key,
    organisation_id uuid not null,
    -- The history of the database in which it was reckoned. In another one it may have changes that the record has lost.
    lineage bytea not null,
    -- The snapshot of it: whatever that did not see end may have added changes since.
    read_up_to text not null,
    -- The record has changes that are not merged: the document has to say what has become of them.
    has_unmerged boolean not null,
    foreign key (organisation_id, session_id) references test_sessions (organisation_id, id)
);

create table if not exists session_clocks_place (
    only_row boolean primary key default true check (only_row),
    lineage bytea not null,
    -- The sessions of changes that were committed before this have been dealt with.
    read_up_to text not null,
    -- Up to this session the clocks from before this table have been reckoned; null: all are.
    filled_up_to uuid
);

-- The first change of each actor in a session: in which sessions an actor has written. Later ones are no entries of it.
create index if not exists idx_session_changes_first on session_changes (organisation_id, actor, session_id) where seq = 1;

create index if not exists idx_jobs_created_by on jobs (organisation_id, created_by, created_at desc, id desc)
    where created_by is not null;

create index if not exists idx_jobs_failed on jobs (kind) where state = 'failed';

do $$
declare
    read_by_worker regclass;
begin
    if not exists (select from pg_policy where polrelid = 'session_clocks'::regclass) then
        call protect_tenant_table('session_clocks');
    end if;
    foreach read_by_worker in array array['organisations', 'session_changes', 'session_clocks', 'test_sessions']::regclass[] loop
        execute format('drop policy if exists work on %s', read_by_worker);
        execute format('create policy work on %s for select using ((select firemode_purpose()) = ''work'')', read_by_worker);
    end loop;
end $$;
