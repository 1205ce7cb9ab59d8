-- All that a process knew of a session when it let it go: for the next one that is to write there and has no time to read the whole
-- record. No row of the record, and any may be removed at any time.

set local firemode.purpose = 'operator';

create table session_copies (
    session_id uuid primary key,
    organisation_id uuid not null,
    -- What wrote it; another release may not read it.
    format smallint not null check (format > 0),
    -- The history of the database in which it was made. In another one it may have changes that the record has lost.
    lineage bytea not null,
    -- The snapshot in which it was made: whatever it did not see end may have added changes since.
    read_up_to text not null,
    change_count integer not null check (change_count >= 0),
    digest bytea not null check (octet_length(digest) = 32),
    bytes bytea not null,
    made_at timestamptz not null default now(),
    foreign key (organisation_id, session_id) references test_sessions (organisation_id, id)
);
-- Mostly hashes and ids; to compress them takes longer than to write them.
alter table session_copies alter column bytes set storage external;

call protect_tenant_table('session_copies');
