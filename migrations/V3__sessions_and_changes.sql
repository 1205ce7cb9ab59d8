-- Test sessions. A session's document is the set of its Automerge changes: rows are only ever added, merging is set union,
-- and no row stands for the document, so nothing needs to be locked to write to it.

create table test_sessions (
    id uuid primary key,
    organisation_id uuid not null,
    building_id uuid not null,
    name text not null check (char_length(name) between 1 and 200),
    status text not null default 'pending' check (status in ('pending', 'active', 'completed', 'cancelled')),
    technician_id uuid,
    created_by uuid not null,
    vector_clock jsonb not null default '{}' check (jsonb_typeof(vector_clock) = 'object'),
    item_count integer not null default 0 check (item_count >= 0),
    created_xid xid8 not null default pg_current_xact_id(),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    completed_at timestamptz,
    unique (organisation_id, id),
    foreign key (organisation_id, building_id) references buildings (organisation_id, id),
    foreign key (organisation_id, technician_id) references users (organisation_id, id),
    foreign key (organisation_id, created_by) references users (organisation_id, id)
);
create index idx_test_sessions_created_at on test_sessions (organisation_id, created_at desc, id desc);
create index idx_test_sessions_status on test_sessions (organisation_id, status, created_at desc, id desc);
create index idx_test_sessions_building on test_sessions (organisation_id, building_id, created_at desc, id desc);
create index idx_vector_clock_gin on test_sessions using gin (vector_clock jsonb_path_ops);

create table session_changes (
    session_id uuid not null,
    organisation_id uuid not null,
    hash bytea not null check (octet_length(hash) = 32),
    actor bytea not null check (octet_length(actor) between 1 and 64),
    seq bigint not null check (seq > 0),
    start_op bigint not null check (start_op > 0),
    deps bytea[] not null,
    bytes bytea not null,
    -- Who brought it; device is the name that a JSON operation gave, null for a change that a device made itself.
    user_id uuid not null,
    device text check (char_length(device) between 1 and 64),
    -- The process that accepted it.
    instance_id uuid not null,
    received_at timestamptz not null default now(),
    -- Readers ask for "from this transaction on": sequences and times commit out of order, transaction ids with a snapshot's
    -- horizon do not lose rows.
    xid xid8 not null default pg_current_xact_id(),
    primary key (session_id, hash),
    -- A second, different change under one actor and number is equivocation and must not be stored.
    constraint session_changes_actor_seq unique (session_id, actor, seq),
    foreign key (organisation_id, session_id) references test_sessions (organisation_id, id),
    foreign key (organisation_id, user_id) references users (organisation_id, id)
);
create index idx_session_changes_xid on session_changes (session_id, xid);

-- Operations that a device named, so that each applies once for ever.
create table session_operations (
    session_id uuid not null,
    organisation_id uuid not null,
    user_id uuid not null,
    device text not null check (char_length(device) between 1 and 64),
    op_id text not null check (char_length(op_id) between 1 and 255),
    hash bytea not null,
    primary key (session_id, user_id, device, op_id),
    foreign key (session_id, hash) references session_changes (session_id, hash),
    foreign key (organisation_id, session_id) references test_sessions (organisation_id, id),
    foreign key (organisation_id, user_id) references users (organisation_id, id)
);

-- Work that came after a session was completed: kept, shown, and part of the record once a manager accepts it.
create table late_changes (
    session_id uuid not null,
    hash bytea not null,
    organisation_id uuid not null,
    state text not null default 'late' check (state in ('late', 'accepted', 'rejected')),
    decided_by uuid,
    decided_at timestamptz,
    xid xid8 not null default pg_current_xact_id(),
    primary key (session_id, hash),
    check ((state = 'late') = (decided_at is null)),
    foreign key (session_id, hash) references session_changes (session_id, hash),
    foreign key (organisation_id, session_id) references test_sessions (organisation_id, id),
    foreign key (organisation_id, decided_by) references users (organisation_id, id)
);

create function refuse_rewriting() returns trigger language plpgsql as $$
begin
    raise exception 'rows of % are the record: they are never changed or removed', tg_table_name
        using errcode = 'restrict_violation';
end $$;

create trigger session_changes_are_the_record
    before update or delete or truncate on session_changes
    for each statement execute function refuse_rewriting();
