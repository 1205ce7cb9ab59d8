-- What readers need of a session without its document, and the indexes of what they ask for. All of it can be run again.

set local firemode.purpose = 'operator';

-- By this name the rows that were worked out in one history of the database are known: see V28.
create or replace function database_lineage_digest() returns bytea language sql stable as
    'select substr(sha256(convert_to(database_lineage(), ''UTF8'')), 1, 4)';

-- What lists show of a session's document, and what it would take to load it: written by whoever adds to the record, in the same
-- transaction. No row of the record, and any may be removed at any time.
create table if not exists session_summaries (
    session_id uuid primary key,
    organisation_id uuid not null,
    -- What wrote it; another release may not read it.
    format smallint not null check (format > 0),
    -- The history of the database in which it was made.
    lineage bytea not null,
    -- The snapshot and the transaction of its writer: whatever neither of them is, or did not see end, may have added changes since.
    read_up_to text not null,
    xid xid8 not null default pg_current_xact_id(),
    change_count integer not null check (change_count >= 0),
    summary bytea not null,
    -- The items that failed, as JSON, once somebody has worked them out.
    failed_items bytea,
    foreign key (organisation_id, session_id) references test_sessions (organisation_id, id)
) with (fillfactor = 60);
alter table session_summaries alter column failed_items set storage external;

do $$
begin
    if not exists (select from pg_policy where polrelid = 'session_summaries'::regclass) then
        call protect_tenant_table('session_summaries');
    end if;
end $$;

-- A page of a session's history.
create index if not exists idx_session_changes_history on session_changes (session_id, received_at desc, hash desc);

create index if not exists idx_test_sessions_technician on test_sessions (organisation_id, technician_id, created_at desc, id desc);
create index if not exists idx_inactive_buildings on buildings (organisation_id, created_at desc, id desc) where not is_active;
create index if not exists idx_inactive_assets on assets (organisation_id, building_id, created_at desc, id desc) where not is_active;
create index if not exists idx_inactive_users on users (organisation_id, created_at desc, id desc) where not is_active;
create index if not exists idx_users_role on users (organisation_id, role, created_at desc, id desc);
create index if not exists idx_evidence_item on evidence (organisation_id, session_id, item_id, created_at desc, id desc);
create index if not exists idx_evidence_flagged on evidence (organisation_id, session_id, created_at desc, id desc)
    where status = 'flagged';

-- The log is written with each request for results, and nearly all of it is `results.accept`. What is about the rest has indexes without
-- those rows, so that they cost the hot path nothing.
create index if not exists idx_audit_log_resource on audit_log (organisation_id, resource_id, created_at desc, id desc);
create index if not exists idx_audit_log_action on audit_log (organisation_id, action, created_at desc, id desc)
    where action <> 'results.accept';
create index if not exists idx_audit_log_resource_type on audit_log (organisation_id, resource_type, created_at desc, id desc)
    where action <> 'results.accept';
create index if not exists idx_audit_log_failures on audit_log (organisation_id, created_at desc, id desc) where status = 'failure';

-- As in V31: whatever statistics say of small tables, the index on all of the columns that are asked for is the better one.
alter table buildings alter column organisation_id set (n_distinct = 10);
alter table assets alter column organisation_id set (n_distinct = 10);
