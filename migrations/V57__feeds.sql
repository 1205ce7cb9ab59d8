-- What feeds for analysis are read by. Can be run again.

set local firemode.purpose = 'operator';

-- When what is worked out again last changed. Its rows come and go (V52), so that only this says that one is no more.
create table if not exists feed_changes (
    organisation_id uuid not null references organisations (id),
    kind text not null check (kind in ('defect', 'item', 'observation')),
    -- Of an item: the session's.
    id uuid not null,
    -- Of others: empty.
    item_id text not null default '',
    changed_xid xid8 not null default pg_current_xact_id(),
    primary key (organisation_id, kind, id, item_id)
);
create index if not exists idx_feed_changes_xid on feed_changes (organisation_id, kind, changed_xid, id, item_id);

do $$
begin
    if not (select relrowsecurity from pg_class where oid = 'feed_changes'::regclass) then
        call protect_tenant_table('feed_changes');
    end if;
end $$;

create or replace function note_changed_defects() returns trigger language plpgsql as $$
begin
    insert into feed_changes as f (organisation_id, kind, id)
        select distinct organisation_id, 'defect', defect_id from changed
    on conflict (organisation_id, kind, id, item_id) do update set changed_xid = excluded.changed_xid
        where f.changed_xid <> excluded.changed_xid;
    return null;
end $$;

create or replace function note_changed_observations() returns trigger language plpgsql as $$
begin
    insert into feed_changes as f (organisation_id, kind, id)
        select distinct organisation_id, 'observation', id from changed
    on conflict (organisation_id, kind, id, item_id) do update set changed_xid = excluded.changed_xid
        where f.changed_xid <> excluded.changed_xid;
    return null;
end $$;

create or replace function note_changed_items() returns trigger language plpgsql as $$
begin
    insert into feed_changes as f (organisation_id, kind, id, item_id)
        select distinct organisation_id, 'item', session_id, item_id from changed
    on conflict (organisation_id, kind, id, item_id) do update set changed_xid = excluded.changed_xid
        where f.changed_xid <> excluded.changed_xid;
    return null;
end $$;

-- Triggers keep it, so that no statement can forget it, those of other releases included.
create or replace trigger defect_versions_added after insert on defect_versions
    referencing new table as changed for each statement execute function note_changed_defects();
create or replace trigger defect_versions_changed after update on defect_versions
    referencing new table as changed for each statement execute function note_changed_defects();
create or replace trigger defect_versions_removed after delete on defect_versions
    referencing old table as changed for each statement execute function note_changed_defects();
create or replace trigger item_observations_added after insert on item_observations
    referencing new table as changed for each statement execute function note_changed_observations();
create or replace trigger item_observations_changed after update on item_observations
    referencing new table as changed for each statement execute function note_changed_observations();
create or replace trigger item_observations_removed after delete on item_observations
    referencing old table as changed for each statement execute function note_changed_observations();
create or replace trigger item_states_added after insert on item_states
    referencing new table as changed for each statement execute function note_changed_items();
create or replace trigger item_states_changed after update on item_states
    referencing new table as changed for each statement execute function note_changed_items();
create or replace trigger item_states_removed after delete on item_states
    referencing old table as changed for each statement execute function note_changed_items();

-- The log in the order of its transactions.
create index if not exists idx_audit_log_xid on audit_log (organisation_id, created_xid, id);

-- As in V31: whatever statistics say of small tables, the index on all of the columns that are asked for is the better one.
alter table feed_changes alter column organisation_id set (n_distinct = 10);
