-- The parties of a building, whose contacts are encrypted as those of users are, and what goes with a building's place and its statements.
alter table buildings
    add column if not exists statement_anchor_on date,
    add column if not exists external_id text check (char_length(external_id) between 1 and 200);
create unique index if not exists idx_buildings_external_id
    on buildings (organisation_id, external_id) where external_id is not null;

-- What is kept of users besides. A release from before reads all columns of `users`: one more would change what its statements give.
create table if not exists user_details (
    id uuid primary key,
    organisation_id uuid not null,
    -- The name that members of the organisation see, as a Fernet token.
    display_name_encrypted bytea,
    erased_at timestamptz,
    foreign key (organisation_id, id) references users (organisation_id, id) on delete cascade
);

create table if not exists building_parties (
    id uuid primary key,
    organisation_id uuid not null,
    building_id uuid not null,
    role text not null check (role in ('owner', 'occupier', 'agent', 'council', 'fire_authority', 'contractor')),
    -- Name, e-mail address, telephone number and address, as one Fernet token; none once they are erased.
    contact_encrypted bytea,
    erased_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique (organisation_id, id),
    check ((contact_encrypted is null) = (erased_at is not null)),
    foreign key (organisation_id, building_id) references buildings (organisation_id, id)
);
create index if not exists idx_building_parties_building on building_parties (organisation_id, building_id, id);

-- What a building said of its place until somebody corrected it, and why: with it is known what was known at any moment.
create table if not exists corrected_places (
    id uuid primary key,
    organisation_id uuid not null,
    building_id uuid not null,
    jurisdiction text check (jurisdiction in ('NSW', 'VIC', 'QLD', 'SA', 'TAS', 'NT', 'WA', 'ACT')),
    time_zone text check (char_length(time_zone) between 1 and 64),
    -- None where it had said nothing, so that nothing was wrong.
    reason text check (char_length(reason) between 1 and 1000),
    corrected_by uuid not null,
    known_to timestamptz not null default clock_timestamp(),
    unique (organisation_id, id),
    foreign key (organisation_id, building_id) references buildings (organisation_id, id),
    foreign key (organisation_id, corrected_by) references users (organisation_id, id)
);
create index if not exists idx_corrected_places_building on corrected_places (organisation_id, building_id, known_to);

do $$
begin
    if not (select relrowsecurity from pg_class where oid = 'user_details'::regclass) then
        call protect_tenant_table('user_details');
        create policy personal_data_read on user_details for select
            using ((select current_setting('firemode.purpose', true)) = 'personal_data');
        create policy personal_data_change on user_details for update
            using ((select current_setting('firemode.purpose', true)) = 'personal_data');
    end if;
    if not (select relrowsecurity from pg_class where oid = 'building_parties'::regclass) then
        call protect_tenant_table('building_parties');
        create policy personal_data_read on building_parties for select
            using ((select current_setting('firemode.purpose', true)) = 'personal_data');
        create policy personal_data_change on building_parties for update
            using ((select current_setting('firemode.purpose', true)) = 'personal_data');
    end if;
    if not (select relrowsecurity from pg_class where oid = 'corrected_places'::regclass) then
        call protect_tenant_table('corrected_places');
    end if;
end $$;
