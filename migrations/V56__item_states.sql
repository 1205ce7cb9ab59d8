-- What each item of a session stands at, as it was known from when until when: what reports count. Worked out from the sessions' changes,
-- as observations are. Can be run again.

set local firemode.purpose = 'operator';

create table if not exists item_states (
    organisation_id uuid not null,
    session_id uuid not null,
    item_id text not null,
    known_from timestamptz not null,
    known_to timestamptz check (known_to > known_from),
    building_id uuid not null,
    -- The asset, or a name for the building and the item where the item is of no asset.
    subject_id uuid not null,
    asset_id uuid,
    item_code text,
    -- What the register says of the asset.
    section smallint,
    outcome text not null check (outcome in ('pass', 'fail', 'not_tested', 'not_applicable')),
    observed_at timestamptz,
    -- The day at the building of what was observed; of what nobody has said anything of, the day on which the session was made.
    local_date date not null,
    created_xid xid8 not null default pg_current_xact_id(),
    primary key (organisation_id, session_id, item_id, known_from),
    foreign key (organisation_id, session_id) references test_sessions (organisation_id, id)
);
-- Figures are counted from the index alone.
create index if not exists idx_item_states_figures
    on item_states (organisation_id, building_id, local_date) include (session_id, section, outcome) where known_to is null;
create index if not exists idx_item_states_written on item_states (organisation_id, created_xid);
-- As in V31: whatever statistics say of small tables, the index on all of the columns that are asked for is the better one.
alter table item_states alter column organisation_id set (n_distinct = 10);
-- Figures come from the index alone where its pages are known to be visible: tables that only grow are vacuumed for that.
alter table item_states set (autovacuum_vacuum_insert_scale_factor = 0.05);

do $$
begin
    if not (select relrowsecurity from pg_class where oid = 'item_states'::regclass) then
        call protect_tenant_table('item_states');
    end if;
end $$;

-- How far the states of a session's items are worked out. An earlier release beside this one goes on with a session and leaves it as it is:
-- where it is not what the observations stand for, as for all sessions from before, the session is worked out again.
alter table session_reviews add column if not exists states_read_up_to text;
create index if not exists idx_session_reviews_left_behind on session_reviews (session_id)
    where states_read_up_to is distinct from read_up_to;
-- Whose work of a session is not in the record: held, quarantined, or late and not decided on.
alter table session_reviews add column if not exists devices jsonb not null default '[]' check (jsonb_typeof(devices) = 'array');
