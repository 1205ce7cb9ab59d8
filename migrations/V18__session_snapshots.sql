-- What was worked out from a session's changes, kept for the next process that reads them. No row of the record: whoever reads
-- one holds it against the changes, and any of them may be removed at any time.

set local firemode.purpose = 'operator';

create table session_snapshots (
    session_id uuid primary key,
    organisation_id uuid not null,
    -- What wrote it; another release may not read it.
    format smallint not null check (format > 0),
    change_count integer not null check (change_count >= 0),
    digest bytea not null check (octet_length(digest) = 32),
    bytes bytea not null,
    made_at timestamptz not null default now(),
    foreign key (organisation_id, session_id) references test_sessions (organisation_id, id)
);
-- Hashes and a compressed document: nothing is won by trying to compress them.
alter table session_snapshots alter column bytes set storage external;

call protect_tenant_table('session_snapshots');
