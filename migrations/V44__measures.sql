-- The fire safety schedule of a building: its measures, and which asset belongs to which. A measure may be maintained by another standard
-- than AS 1851-2012, and then neither it nor its assets have a section of that. A release from before this does not read assets without
-- one; there are none until somebody registers them with this release.
create table if not exists measures (
    id uuid primary key,
    organisation_id uuid not null,
    building_id uuid not null,
    name text not null check (char_length(name) between 1 and 200),
    section smallint check (section between 2 and 14),
    standard_of_performance text not null check (char_length(standard_of_performance) between 1 and 500),
    maintenance_standard text not null check (char_length(maintenance_standard) between 1 and 200),
    performance_solution jsonb check (jsonb_typeof(performance_solution) = 'object'),
    is_critical boolean not null default false,
    statement_interval_months smallint check (statement_interval_months between 1 and 120),
    external_id text check (char_length(external_id) between 1 and 200),
    created_xid xid8 not null default pg_current_xact_id(),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique (organisation_id, id),
    -- An asset has a measure of its own building.
    unique (organisation_id, building_id, id),
    foreign key (organisation_id, building_id) references buildings (organisation_id, id)
);
create index if not exists idx_measures_building on measures (organisation_id, building_id, created_at desc, id desc);
create unique index if not exists idx_measures_external_id
    on measures (organisation_id, building_id, external_id) where external_id is not null;

alter table assets alter column section drop not null;
alter table assets add column if not exists measure_id uuid;
create index if not exists idx_assets_measure
    on assets (organisation_id, measure_id, created_at desc, id desc) where measure_id is not null;

do $$
begin
    if not (select relrowsecurity from pg_class where oid = 'measures'::regclass) then
        call protect_tenant_table('measures');
    end if;
    if not exists (select from pg_constraint where conname = 'assets_measure_fkey') then
        alter table assets add constraint assets_measure_fkey
            foreign key (organisation_id, building_id, measure_id) references measures (organisation_id, building_id, id);
    end if;
end $$;
