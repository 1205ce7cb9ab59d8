-- What an asset's values were when it was good, so that measured values can be compared with them. No version is ever changed: each has
-- the day from which it counts and the moment at which it was recorded, so that what was decided on any day can be decided again as it
-- was known then.
create table if not exists baselines (
    id uuid primary key,
    organisation_id uuid not null references organisations (id),
    asset_id uuid not null,
    quantities jsonb not null check (jsonb_typeof(quantities) = 'object'),
    source text not null check (char_length(source) between 1 and 200),
    valid_from date not null,
    recorded_by uuid not null,
    created_xid xid8 not null default pg_current_xact_id(),
    created_at timestamptz not null default clock_timestamp(),
    unique (organisation_id, id),
    foreign key (organisation_id, asset_id) references assets (organisation_id, id),
    foreign key (organisation_id, recorded_by) references users (organisation_id, id)
);
create index if not exists idx_baselines_in_force
    on baselines (organisation_id, asset_id, valid_from desc, created_at desc, id desc);
create index if not exists idx_baselines_created_at on baselines (organisation_id, asset_id, created_at desc, id desc);

do $$
begin
    if not (select relrowsecurity from pg_class where oid = 'baselines'::regclass) then
        call protect_tenant_table('baselines');
    end if;
end $$;
