-- What is tested: buildings and the register of assets in them. Nothing here is ever deleted, only deactivated, because
-- sessions and evidence refer to it for years.

create table buildings (
    id uuid primary key,
    organisation_id uuid not null references organisations (id),
    site_name text not null check (char_length(site_name) between 1 and 200),
    site_address text not null check (char_length(site_address) between 1 and 500),
    building_class text check (char_length(building_class) between 1 and 50),
    metadata jsonb not null default '{}' check (jsonb_typeof(metadata) = 'object'),
    is_active boolean not null default true,
    created_xid xid8 not null default pg_current_xact_id(),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique (organisation_id, id)
);
create unique index idx_buildings_name_and_address
    on buildings (organisation_id, lower(site_name), lower(site_address));
create index idx_buildings_created_at on buildings (organisation_id, created_at desc, id desc);
create index idx_active_buildings on buildings (organisation_id, created_at desc, id desc) where is_active;

create table assets (
    id uuid primary key,
    organisation_id uuid not null,
    building_id uuid not null,
    item_code text not null check (char_length(item_code) between 1 and 64),
    section smallint not null check (section between 2 and 14),
    label text not null check (char_length(label) between 1 and 200),
    location text not null check (char_length(location) between 1 and 500),
    installed_on date,
    metadata jsonb not null default '{}' check (jsonb_typeof(metadata) = 'object'),
    is_active boolean not null default true,
    created_xid xid8 not null default pg_current_xact_id(),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique (organisation_id, id),
    foreign key (organisation_id, building_id) references buildings (organisation_id, id)
);
create index idx_assets_building on assets (organisation_id, building_id, created_at desc, id desc);
