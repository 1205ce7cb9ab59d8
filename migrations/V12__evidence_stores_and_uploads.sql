-- Evidence that is flagged, bytes in the database, and uploads that go on after a break.

set local firemode.purpose = 'operator';

alter table evidence
    add column flag_reason text check (char_length(flag_reason) between 1 and 1000),
    add column flagged_by uuid,
    add column flagged_at timestamptz,
    add foreign key (organisation_id, flagged_by) references users (organisation_id, id),
    add check ((flagged_at is null) = (flagged_by is null) and (flagged_at is null) = (flag_reason is null));

-- Bytes for evidence.url = "postgres:". Not bound to anything by foreign keys: bytes come before the rows that refer to them, and
-- in a restore before everything else.
create table evidence_chunks (
    organisation_id uuid not null,
    storage_key text not null,
    chunk_number integer not null check (chunk_number >= 0),
    bytes bytea not null,
    primary key (organisation_id, storage_key, chunk_number)
);
-- Photographs and videos do not compress, and parts of what is not compressed can be read alone.
alter table evidence_chunks alter column bytes set storage external;

-- Stored bytes that no other row refers to: on their way in, or on their way out. Whoever makes something of them removes the
-- row in the transaction that refers to them; the sweeper removes the bytes of what has expired.
create table evidence_leases (
    organisation_id uuid not null references organisations (id),
    storage_key text primary key,
    expires_at timestamptz not null,
    -- From then on nobody may refer to the bytes any more: the sweeper is about to remove them.
    condemned_at timestamptz
);
create index idx_evidence_leases_expires_at on evidence_leases (expires_at);

-- Resumable uploads.
create table evidence_uploads (
    organisation_id uuid not null,
    id uuid not null,
    user_id uuid not null,
    fields jsonb not null check (jsonb_typeof(fields) = 'object'),
    length_bytes bigint not null check (length_bytes > 0),
    offset_bytes bigint not null default 0 check (offset_bytes between 0 and length_bytes),
    part_count integer not null default 0,
    -- What the client is told once the upload is complete.
    answer jsonb,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    primary key (organisation_id, id),
    foreign key (organisation_id, user_id) references users (organisation_id, id),
    -- Complete means that the evidence exists.
    check ((answer is not null) = (offset_bytes = length_bytes))
);
create index idx_evidence_uploads_expires_at on evidence_uploads (expires_at);
create index idx_evidence_uploads_user on evidence_uploads (organisation_id, user_id) where answer is null;

create table evidence_upload_parts (
    organisation_id uuid not null,
    upload_id uuid not null,
    start_bytes bigint not null check (start_bytes >= 0),
    size_bytes bigint not null check (size_bytes > 0),
    storage_key text not null unique,
    primary key (organisation_id, upload_id, start_bytes),
    foreign key (organisation_id, upload_id) references evidence_uploads (organisation_id, id)
);

call protect_tenant_table('evidence_chunks');
call protect_tenant_table('evidence_leases');
call protect_tenant_table('evidence_uploads');
call protect_tenant_table('evidence_upload_parts');
create policy sweep on evidence_leases using ((select firemode_purpose()) = 'sweep');
create policy sweep on evidence_uploads using ((select firemode_purpose()) = 'sweep');
create policy sweep on evidence_upload_parts using ((select firemode_purpose()) = 'sweep');
