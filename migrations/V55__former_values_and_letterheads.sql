-- What rows said of what decisions rest on, until somebody changed it: an organisation of the place of its buildings, an asset of its measure,
-- and a measure of its performance solution. With it is known what was known at any moment. Triggers keep it, so that no statement can
-- forget it, those of other releases included. Can be run again.
create table if not exists former_values (
    id uuid primary key default gen_random_uuid(),
    organisation_id uuid not null references organisations (id),
    -- The organisation, the asset or the measure; it may be gone.
    subject_id uuid not null,
    former jsonb not null check (jsonb_typeof(former) = 'object'),
    known_to timestamptz not null default clock_timestamp(),
    unique (organisation_id, id)
);
create index if not exists idx_former_values_subject on former_values (organisation_id, subject_id, known_to);

do $$
begin
    if not (select relrowsecurity from pg_class where oid = 'former_values'::regclass) then
        call protect_tenant_table('former_values');
    end if;
end $$;

create or replace function keep_former_place() returns trigger language plpgsql as $$
begin
    insert into former_values (organisation_id, subject_id, former)
    values (old.id, old.id, jsonb_build_object('default_jurisdiction', old.default_jurisdiction,
                                               'default_time_zone', old.default_time_zone));
    return null;
end $$;

create or replace function keep_former_measure() returns trigger language plpgsql as $$
begin
    insert into former_values (organisation_id, subject_id, former)
    values (old.organisation_id, old.id, jsonb_build_object('measure_id', old.measure_id));
    return null;
end $$;

create or replace function keep_former_solution() returns trigger language plpgsql as $$
begin
    insert into former_values (organisation_id, subject_id, former)
    values (old.organisation_id, old.id, jsonb_build_object('overrides', old.performance_solution -> 'overrides'));
    return null;
end $$;

create or replace trigger organisations_keep_former_place
    after update on organisations for each row
    when ((old.default_jurisdiction, old.default_time_zone) is distinct from (new.default_jurisdiction, new.default_time_zone))
    execute function keep_former_place();
create or replace trigger assets_keep_former_measure
    after update on assets for each row when (old.measure_id is distinct from new.measure_id)
    execute function keep_former_measure();
create or replace trigger measures_keep_former_solution
    after update on measures for each row when (old.performance_solution is distinct from new.performance_solution)
    execute function keep_former_solution();
create or replace trigger measures_keep_last_solution
    after delete on measures for each row execute function keep_former_solution();

-- What stands at the head of an organisation's papers.
alter table organisations add column if not exists letterhead text check (char_length(letterhead) between 1 and 2000);
