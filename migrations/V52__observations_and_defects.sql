-- What follows from failed items: observations, and the defects that they are of. All of it is worked out again from the sessions' changes
-- and from what people did about defects (`defect_acts`, which are record). Can be run again.

set local firemode.purpose = 'operator';

-- Which defects there are. What is known of each, and was known when, is in its versions.
create table if not exists defects (
    id uuid primary key,
    organisation_id uuid not null,
    number bigint not null check (number > 0),
    building_id uuid not null,
    -- The asset, or a name for the building and the item where the item is of no asset.
    subject_id uuid not null,
    from_history boolean not null,
    created_xid xid8 not null default pg_current_xact_id(),
    created_at timestamptz not null default clock_timestamp(),
    unique (organisation_id, id),
    unique (organisation_id, number),
    foreign key (organisation_id, building_id) references buildings (organisation_id, id)
);
create index if not exists idx_defects_subject on defects (organisation_id, subject_id);
create index if not exists idx_defects_created_at on defects (organisation_id, created_at desc, id desc);

-- The last number that an organisation's defects have.
create table if not exists defect_numbers (
    organisation_id uuid primary key references organisations (id),
    last_number bigint not null check (last_number > 0)
);

create table if not exists defect_versions (
    organisation_id uuid not null,
    defect_id uuid not null,
    known_from timestamptz not null,
    known_to timestamptz check (known_to > known_from),
    building_id uuid not null,
    subject_id uuid not null,
    measure_id uuid,
    asset_id uuid,
    item_id text,
    session_id uuid,
    source text not null check (source in ('result', 'classification', 'manual', 'import', 'schedule')),
    item_code text,
    condition text,
    classification text not null
        check (classification in ('critical_defect', 'non_critical_defect', 'non_conformance', 'unclassified')),
    is_overridden boolean not null,
    description text not null,
    location text,
    section smallint,
    status text not null
        check (status in ('open', 'acknowledged', 'repair_scheduled', 'repaired', 'verified', 'closed', 'deferred', 'withdrawn')),
    provisional boolean not null,
    assigned_to uuid,
    opened_at timestamptz not null,
    observed_at timestamptz not null,
    received_at timestamptz not null,
    clock_suspect boolean not null,
    local_date date not null,
    observations integer not null check (observations >= 0),
    observation_ids uuid[] not null,
    last_observed_at timestamptz,
    passes_since integer not null check (passes_since >= 0),
    needs_review boolean not null,
    superseded_by text,
    interim_measures jsonb not null,
    deferral jsonb,
    scheduled_for date,
    repaired_at timestamptz,
    repaired_by uuid,
    verified_by uuid,
    reopens uuid,
    rule jsonb,
    evidence uuid[] not null,
    external_id text,
    metadata jsonb not null,
    created_xid xid8 not null default pg_current_xact_id(),
    primary key (organisation_id, defect_id, known_from),
    foreign key (organisation_id, defect_id) references defects (organisation_id, id)
);
create unique index if not exists idx_defect_versions_present on defect_versions (organisation_id, defect_id) where known_to is null;
create index if not exists idx_defect_versions_subject on defect_versions (organisation_id, subject_id) where known_to is null;
create index if not exists idx_defect_versions_opened_at on defect_versions (organisation_id, opened_at desc, defect_id desc)
    where known_to is null;
create index if not exists idx_defect_versions_building
    on defect_versions (organisation_id, building_id, opened_at desc, defect_id desc) where known_to is null;
create index if not exists idx_defect_versions_status
    on defect_versions (organisation_id, status, opened_at desc, defect_id desc) where known_to is null;
create index if not exists idx_defect_versions_classification
    on defect_versions (organisation_id, classification, opened_at desc, defect_id desc) where known_to is null;
create index if not exists idx_defect_versions_section
    on defect_versions (organisation_id, section, opened_at desc, defect_id desc) where known_to is null;
create index if not exists idx_defect_versions_assigned_to
    on defect_versions (organisation_id, assigned_to, opened_at desc, defect_id desc) where known_to is null and assigned_to is not null;
create index if not exists idx_defect_versions_needs_review
    on defect_versions (organisation_id, opened_at desc, defect_id desc) where known_to is null and needs_review;

-- What people did about defects. Rows are the record.
create table if not exists defect_acts (
    id uuid primary key,
    organisation_id uuid not null,
    defect_id uuid not null,
    subject_id uuid not null,
    building_id uuid not null,
    kind text not null
        check (kind in ('open', 'transition', 'observe', 'reclassify', 'assign', 'describe', 'interim_measure', 'evidence')),
    -- When it was done, and when it was recorded.
    at timestamptz not null,
    recorded_at timestamptz not null default clock_timestamp(),
    user_id uuid not null,
    body jsonb not null check (jsonb_typeof(body) = 'object'),
    created_xid xid8 not null default pg_current_xact_id(),
    unique (organisation_id, id),
    foreign key (organisation_id, building_id) references buildings (organisation_id, id),
    foreign key (organisation_id, user_id) references users (organisation_id, id)
);
create index if not exists idx_defect_acts_subject on defect_acts (organisation_id, subject_id, recorded_at, id);
create index if not exists idx_defect_acts_defect on defect_acts (organisation_id, defect_id, at desc, id desc);
create or replace trigger defect_acts_are_the_record
    before update or delete or truncate on defect_acts
    for each statement execute function refuse_rewriting();

-- An item of a session of which somebody wrote that it fails: what was known of it, and when.
create table if not exists item_observations (
    organisation_id uuid not null,
    id uuid not null,
    session_id uuid not null,
    item_id text not null,
    known_from timestamptz not null,
    known_to timestamptz check (known_to > known_from),
    building_id uuid not null,
    subject_id uuid not null,
    -- What the session's document says of the item.
    content jsonb not null check (jsonb_typeof(content) = 'object'),
    observed_at timestamptz not null,
    received_at timestamptz not null,
    classification text not null
        check (classification in ('critical_defect', 'non_critical_defect', 'non_conformance', 'unclassified')),
    created_xid xid8 not null default pg_current_xact_id(),
    primary key (organisation_id, id, known_from),
    foreign key (organisation_id, session_id) references test_sessions (organisation_id, id)
);
create index if not exists idx_item_observations_session on item_observations (organisation_id, session_id);
create index if not exists idx_item_observations_subject on item_observations (organisation_id, subject_id);

-- An item of a session that passes.
create table if not exists item_passes (
    organisation_id uuid not null,
    session_id uuid not null,
    item_id text not null,
    known_from timestamptz not null,
    known_to timestamptz check (known_to > known_from),
    subject_id uuid not null,
    observed_at timestamptz not null,
    primary key (organisation_id, session_id, item_id, known_from),
    foreign key (organisation_id, session_id) references test_sessions (organisation_id, id)
);
create index if not exists idx_item_passes_subject on item_passes (organisation_id, subject_id);

-- What somebody has to look at in a session, and how far the session was gone through.
create table if not exists session_reviews (
    session_id uuid primary key,
    organisation_id uuid not null,
    lineage bytea not null,
    read_up_to text not null,
    needs_review boolean not null,
    has_held boolean not null,
    held integer not null check (held >= 0),
    quarantined integer not null check (quarantined >= 0),
    -- Late changes that wait for a decision.
    late integer not null check (late >= 0),
    foreign key (organisation_id, session_id) references test_sessions (organisation_id, id)
);
create index if not exists idx_session_reviews_needs_review on session_reviews (organisation_id, session_id) where needs_review;
create index if not exists idx_session_reviews_has_held on session_reviews (organisation_id, session_id) where has_held;

-- Where the projection could not go on.
create table if not exists projection_failures (
    session_id uuid primary key,
    organisation_id uuid not null,
    since timestamptz not null default clock_timestamp(),
    tries integer not null check (tries > 0),
    error text not null,
    foreign key (organisation_id, session_id) references test_sessions (organisation_id, id)
);

create table if not exists projection_place (
    only_row boolean primary key default true check (only_row),
    lineage bytea not null,
    -- The sessions of what was committed before this have been gone through, or are noted elsewhere.
    read_up_to text not null,
    -- Up to this session those from before have been gone through; null: all are.
    filled_up_to uuid,
    -- What was known before this is history: it is shown, and nothing is pushed.
    history_until timestamptz not null default clock_timestamp()
);

do $$
declare
    new_table text;
begin
    foreach new_table in array array['defects', 'defect_numbers', 'defect_versions', 'defect_acts', 'item_observations', 'item_passes',
                                     'session_reviews', 'projection_failures'] loop
        if not (select relrowsecurity from pg_class where oid = new_table::regclass) then
            call protect_tenant_table(new_table::regclass);
        end if;
    end loop;
    foreach new_table in array array['session_reviews', 'projection_failures'] loop
        execute format('drop policy if exists work on %I', new_table);
        execute format('create policy work on %I for select using ((select firemode_purpose()) = ''work'')', new_table);
    end loop;
end $$;
