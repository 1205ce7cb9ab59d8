-- Invitations, second factors, and sign-ins that are slowed down.

-- Lists of users walk as all lists do.
alter table users add column created_xid xid8 not null default pg_current_xact_id();
create index idx_users_created_at on users (organisation_id, created_at desc, id desc);

alter table users add column phone_encrypted bytea;

-- When the user chose a password; null while an invitation waits. A binary from before this makes users who have one.
alter table users add column joined_at timestamptz default now();
update users set joined_at = created_at;

-- A sign-in that was checked against an older password is refused.
alter table users add column password_changed_at timestamptz not null default now();

create table account_tokens (
    id uuid primary key,
    organisation_id uuid not null,
    user_id uuid not null,
    purpose text not null check (purpose in ('invitation', 'password_reset')),
    token_hash bytea not null unique check (octet_length(token_hash) = 32),
    created_by uuid not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    -- A new one takes the place of the one before.
    unique (organisation_id, user_id, purpose),
    foreign key (organisation_id, user_id) references users (organisation_id, id),
    foreign key (organisation_id, created_by) references users (organisation_id, id)
);
create index idx_account_tokens_expires_at on account_tokens (expires_at);

create table totp_factors (
    id uuid primary key,
    organisation_id uuid not null,
    user_id uuid not null,
    secret_encrypted bytea not null,
    -- The last time step whose code was taken; each counts once.
    last_step bigint not null default 0,
    created_at timestamptz not null default now(),
    -- Null until a first code has shown that the device has the secret; only then is it asked for.
    confirmed_at timestamptz,
    unique (organisation_id, user_id),
    foreign key (organisation_id, user_id) references users (organisation_id, id)
);

create table recovery_codes (
    organisation_id uuid not null,
    user_id uuid not null,
    code_hash bytea not null check (octet_length(code_hash) = 32),
    used_at timestamptz,
    primary key (organisation_id, user_id, code_hash),
    foreign key (organisation_id, user_id) references totp_factors (organisation_id, user_id) on delete cascade
);

-- No organisation: it counts before anybody is known, and addresses that have no account as well. The key is a keyed hash.
create table sign_in_throttle (
    key bytea primary key check (octet_length(key) = 32),
    failures integer not null default 0 check (failures >= 0),
    failed_at timestamptz not null default 'epoch',
    -- Nothing is tried before this moment.
    open_at timestamptz not null default 'epoch',
    -- An account has signed in from this network, and is counted there by itself until then.
    known_until timestamptz not null default 'epoch'
);
create index idx_sign_in_throttle_failed_at on sign_in_throttle (failed_at);

-- An account is looked up by its token before its organisation is known; see V9.
create policy redeem on account_tokens for select using ((select current_setting('firemode.purpose', true)) = 'redeem');
create policy sweep on account_tokens using ((select current_setting('firemode.purpose', true)) = 'sweep');
-- Secrets are re-encrypted when the key changes; see V8.
create policy personal_data_read on totp_factors for select
    using ((select current_setting('firemode.purpose', true)) = 'personal_data');
create policy personal_data_change on totp_factors for update
    using ((select current_setting('firemode.purpose', true)) = 'personal_data');
