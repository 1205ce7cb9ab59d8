-- Where a building stands decides which rules apply there and which day it is; its organisation says what it leaves open.
alter table organisations
    add column if not exists default_jurisdiction text
        check (default_jurisdiction in ('NSW', 'VIC', 'QLD', 'SA', 'TAS', 'NT', 'WA', 'ACT')),
    add column if not exists default_time_zone text check (char_length(default_time_zone) between 1 and 64),
    add column if not exists updated_at timestamptz not null default now();
alter table buildings
    add column if not exists jurisdiction text
        check (jurisdiction in ('NSW', 'VIC', 'QLD', 'SA', 'TAS', 'NT', 'WA', 'ACT')),
    add column if not exists time_zone text check (char_length(time_zone) between 1 and 64);

-- A version may be for one jurisdiction, and from a day on.
alter table as1851_rules
    add column if not exists jurisdiction text check (jurisdiction in ('NSW', 'VIC', 'QLD', 'SA', 'TAS', 'NT', 'WA', 'ACT')),
    add column if not exists effective_from date,
    add column if not exists created_xid xid8 not null default pg_current_xact_id();
create index if not exists idx_as1851_rules_created_at on as1851_rules (organisation_id, created_at desc, id desc);

-- Each act by which an organisation turned a version on or off for itself, a shipped one too. A version without one is as it was made.
create table if not exists rule_activations (
    id uuid primary key,
    organisation_id uuid not null references organisations (id),
    rule_id uuid not null references as1851_rules (id),
    is_active boolean not null,
    acted_by uuid not null,
    known_from timestamptz not null default clock_timestamp(),
    known_to timestamptz,
    unique (organisation_id, id),
    foreign key (organisation_id, acted_by) references users (organisation_id, id)
);
create unique index if not exists idx_rule_activations_now on rule_activations (organisation_id, rule_id) where known_to is null;

do $$
begin
    if not (select relrowsecurity from pg_class where oid = 'rule_activations'::regclass) then
        call protect_tenant_table('rule_activations');
    end if;
end $$;

create or replace trigger rule_activations_note_change
    after insert or update or delete or truncate on rule_activations
    for each statement execute function note_rules_change();
