-- Answers to repeat, and the record of who did what.

create table idempotency_keys (
    organisation_id uuid not null,
    user_id uuid not null,
    method text not null,
    path text not null,
    key text not null check (char_length(key) between 1 and 255),
    fingerprint bytea not null check (octet_length(fingerprint) = 32),
    status smallint not null check (status between 200 and 599),
    answer jsonb not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    primary key (organisation_id, user_id, method, path, key),
    foreign key (organisation_id, user_id) references users (organisation_id, id)
);
create index idx_idempotency_keys_expires_at on idempotency_keys (expires_at);

create table audit_log (
    id uuid primary key,
    organisation_id uuid not null references organisations (id),
    user_id uuid,
    action text not null,
    resource_type text not null,
    resource_id text,
    status text not null check (status in ('success', 'failure')),
    transaction_id uuid not null,
    before jsonb,
    after jsonb,
    -- The canonical bytes of this event and their hash as a leaf of a Merkle tree (RFC 6962, 2.1); the columns beside them are
    -- for asking questions. The database itself refuses a row whose hash is not that of its bytes.
    leaf bytea not null,
    leaf_hash bytea not null check (leaf_hash = sha256('\x00'::bytea || leaf)),
    created_xid xid8 not null default pg_current_xact_id(),
    created_at timestamptz not null,
    foreign key (organisation_id, user_id) references users (organisation_id, id)
);
create index idx_audit_log_created_at on audit_log (organisation_id, created_at desc, id desc);
create index idx_audit_user_status on audit_log (organisation_id, user_id, status, created_at desc, id desc);

create trigger audit_log_is_the_record
    before update or delete or truncate on audit_log
    for each statement execute function refuse_rewriting();
