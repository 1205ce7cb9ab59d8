-- Idempotency keys whose first request is still running and outlasts a transaction: uploads. Whoever works under a key renews its
-- lease; after a crash it expires. Key, effect and answer commit together all the same (idempotency_keys): a lease only spares a
-- second request the way.

set local firemode.purpose = 'operator';

create table idempotency_leases (
    organisation_id uuid not null,
    user_id uuid not null,
    method text not null,
    path text not null,
    key text not null check (char_length(key) between 1 and 255),
    -- The request that has it.
    holder_id uuid not null,
    expires_at timestamptz not null,
    primary key (organisation_id, user_id, method, path, key),
    foreign key (organisation_id, user_id) references users (organisation_id, id)
);
create index idx_idempotency_leases_expires_at on idempotency_leases (expires_at);

call protect_tenant_table('idempotency_leases');
create policy sweep on idempotency_leases using ((select firemode_purpose()) = 'sweep');
