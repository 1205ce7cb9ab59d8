-- Which keys personal data is encrypted with, and how far its re-encryption under a new one has come.
-- These belong to the appliance and to no organisation, and hold neither keys nor personal data.

create table personal_data_keys (
    -- Follows from the key and says nothing about it.
    key_id text primary key check (key_id ~ '^[0-9a-f]{12}$'),
    -- A known text under this key, so that a wrong key is noticed at the start and not by the first reader.
    check_token bytea not null,
    first_used_at timestamptz not null default now(),
    -- The last start of an instance that encrypts with it. Re-encryption goes towards the key of the newest start, so that
    -- instances whose settings differ for a while do not work against each other.
    encrypts_since timestamptz not null default clock_timestamp(),
    -- When re-encryption found nothing under this key any more: from then on nobody needs it.
    retired_at timestamptz
);

create table personal_data_reencryption (
    only_row boolean primary key default true check (only_row),
    key_id text not null,
    -- The column that is worked on, by its place in the list of the binary, and the last row that is done.
    column_index integer not null default 0,
    after_id uuid,
    rows_reencrypted bigint not null default 0,
    -- Under none of the keys of the instance that looked.
    rows_unreadable bigint not null default 0,
    began_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz
);

-- Re-encryption goes over all tenants. These take effect where row-level security is enabled on the table.
create policy personal_data_read on users for select
    using ((select current_setting('firemode.purpose', true)) = 'personal_data');
create policy personal_data_change on users for update
    using ((select current_setting('firemode.purpose', true)) = 'personal_data');
