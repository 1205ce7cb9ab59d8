-- Tenants, their users, and the tokens that users hold.
-- Composite keys (organisation_id, id) let every foreign key carry the organisation, so that a reference from one tenant
-- to another cannot exist.

create table database_incarnation (
    only_row boolean primary key default true check (only_row),
    -- Cursors and change tokens name it. A copy that was restored into another cluster gets a new one when it is migrated, so
    -- that tokens from before the restore are refused.
    id uuid not null,
    system_identifier bigint not null,
    -- Rows that are older than this came with a restore; their transaction ids belong to another cluster.
    began_at timestamptz not null,
    -- The oldest schema version of a binary that may still serve this database.
    oldest_binary_version integer not null check (oldest_binary_version > 0)
);

create table organisations (
    id uuid primary key,
    name text not null check (char_length(name) between 1 and 200),
    created_at timestamptz not null default now()
);

create table users (
    id uuid primary key,
    organisation_id uuid not null references organisations (id),
    email text not null check (email = lower(email) and char_length(email) between 3 and 254),
    password_hash text not null,
    full_name_encrypted bytea not null,
    role text not null check (role in ('admin', 'manager', 'technician', 'auditor')),
    is_active boolean not null default true,
    not_before timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique (organisation_id, id)
);
create unique index idx_users_email on users (email);

create table refresh_tokens (
    id uuid primary key,
    organisation_id uuid not null,
    user_id uuid not null,
    family_id uuid not null,
    parent_id uuid references refresh_tokens (id) on delete set null,
    token_hash bytea not null unique check (octet_length(token_hash) = 32),
    issued_at timestamptz not null default now(),
    expires_at timestamptz not null,
    used_at timestamptz,
    revoked_at timestamptz,
    foreign key (organisation_id, user_id) references users (organisation_id, id)
);
create index idx_refresh_tokens_family on refresh_tokens (family_id);
create index idx_refresh_tokens_parent on refresh_tokens (parent_id);
create index idx_refresh_tokens_user on refresh_tokens (organisation_id, user_id);
create index idx_refresh_tokens_expires_at on refresh_tokens (expires_at);

create table token_revocation_list (
    id uuid primary key,
    organisation_id uuid not null,
    user_id uuid not null,
    jti uuid,
    not_before timestamptz,
    revoked_at timestamptz not null default clock_timestamp(),
    expires_at timestamptz not null,
    -- One token, or every token of the user from before a moment.
    check ((jti is null) <> (not_before is null)),
    -- By user too: what one tenant puts on the list must not end or shield a token of another.
    unique (user_id, jti),
    foreign key (organisation_id, user_id) references users (organisation_id, id)
);
create index idx_token_revocation_list_revoked_at on token_revocation_list (revoked_at);
create index idx_token_revocation_list_expires_at on token_revocation_list (expires_at);
