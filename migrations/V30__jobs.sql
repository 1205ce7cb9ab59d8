-- Work that is neither a request nor a merge: it waits here, is taken by one worker at a time, and is tried again when it fails.

set local firemode.purpose = 'operator';

create table jobs (
    id uuid primary key,
    -- Null: the appliance's own, which no tenant sees.
    organisation_id uuid references organisations (id),
    created_by uuid,
    kind text not null check (char_length(kind) between 1 and 64),
    -- What it is to do, for as long as it is kept: a second one with it is the first.
    key text not null check (char_length(key) between 1 and 255),
    input jsonb not null,
    state text not null default 'waiting' check (state in ('waiting', 'running', 'done', 'failed', 'cancelled')),
    progress real not null default 0 check (progress between 0 and 1),
    -- Of one that waits: when it may run. Of one that runs: until when its holder has it.
    due_at timestamptz not null default now(),
    deadline_at timestamptz,
    attempts integer not null default 0 check (attempts >= 0),
    holder_id uuid,
    is_cancel_asked boolean not null default false,
    result jsonb,
    -- For whoever started it, and for operators.
    error text,
    last_error text,
    created_xid xid8 not null default pg_current_xact_id(),
    created_at timestamptz not null default now(),
    begun_at timestamptz,
    finished_at timestamptz,
    foreign key (organisation_id, created_by) references users (organisation_id, id),
    check (created_by is null or organisation_id is not null),
    check ((state = 'running') = (holder_id is not null)),
    check (state in ('waiting', 'running') or finished_at is not null)
);
create unique index idx_jobs_key on jobs (coalesce(organisation_id, '00000000-0000-0000-0000-000000000000'), kind, key);
create index idx_jobs_due_at on jobs (due_at, id) where state in ('waiting', 'running');
create index idx_jobs_open on jobs (organisation_id, kind, state) where state in ('waiting', 'running');
create index idx_jobs_finished_at on jobs (finished_at) where state in ('done', 'failed', 'cancelled');

call protect_tenant_table('jobs');
create policy work on jobs using ((select firemode_purpose()) = 'work');
