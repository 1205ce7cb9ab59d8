-- What people write about a thing is committed to by its hash in the audit log, with a salt that is kept here and not there. With the
-- salt the hash can be checked against the text; without it nobody can guess the text any more.

create table record_salts (
    organisation_id uuid not null references organisations (id),
    resource_id uuid not null,
    -- 122 random bits.
    salt bytea not null default uuid_send(gen_random_uuid()) check (octet_length(salt) = 16),
    primary key (organisation_id, resource_id)
);
call protect_tenant_table('record_salts');
