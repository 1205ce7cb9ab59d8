-- Evidence: the bytes once per tenant and content, and each use of them.

create table evidence_blobs (
    organisation_id uuid not null references organisations (id),
    sha256 bytea not null check (octet_length(sha256) = 32),
    size_bytes bigint not null check (size_bytes >= 0),
    storage_key text not null unique,
    created_at timestamptz not null default now(),
    primary key (organisation_id, sha256)
);

create table evidence (
    organisation_id uuid not null,
    -- May come from the device, so it is unique within the tenant only: another tenant's ids stay unknown.
    id uuid not null,
    session_id uuid not null,
    item_id text check (char_length(item_id) between 1 and 128),
    evidence_type text not null check (evidence_type in ('photo', 'video', 'document', 'measurement', 'signature')),
    sha256 bytea not null,
    content_type text not null,
    metadata jsonb not null default '{}' check (jsonb_typeof(metadata) = 'object'),
    status text not null default 'verified' check (status in ('verified', 'flagged')),
    uploaded_by uuid not null,
    created_xid xid8 not null default pg_current_xact_id(),
    created_at timestamptz not null default now(),
    primary key (organisation_id, id),
    foreign key (organisation_id, session_id) references test_sessions (organisation_id, id),
    foreign key (organisation_id, sha256) references evidence_blobs (organisation_id, sha256),
    foreign key (organisation_id, uploaded_by) references users (organisation_id, id)
);
create index idx_evidence_session on evidence (organisation_id, session_id, created_at desc, id desc);
create index idx_evidence_sha256 on evidence (organisation_id, sha256);
