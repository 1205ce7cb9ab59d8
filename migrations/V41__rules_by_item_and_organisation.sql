-- Rules are found by item, and whoever keeps some in memory sees whose have changed. All of it can be run again.

set local firemode.purpose = 'operator';

-- Where row-level security guards a table, only conditions whose operators reveal nothing are asked of an index. Those of arrays do, so an
-- index on as1851_rules.item_codes was never used; equality of texts does not.
create table if not exists rule_items (
    rule_id uuid not null references as1851_rules (id),
    item_code text not null,
    organisation_id uuid references organisations (id),
    rule_code text not null,
    primary key (rule_id, item_code)
);
create index if not exists idx_rule_items_item_code on rule_items (organisation_id, item_code, rule_code);
drop index if exists idx_as1851_rules_item_codes;

-- Which rules an organisation has of its own, and which are shipped: a number that is another one after each change. An act of one
-- organisation neither waits for another's nor makes others read their rules again.
create table if not exists rule_set_versions (
    organisation_id uuid references organisations (id),
    version bigint not null
);
create unique index if not exists idx_rule_set_versions_organisation on rule_set_versions
    (coalesce(organisation_id, '00000000-0000-0000-0000-000000000000'));

do $$
declare
    new_table regclass;
begin
    foreach new_table in array array['rule_items', 'rule_set_versions']::regclass[] loop
        if not (select relrowsecurity from pg_class where oid = new_table) then
            call protect_tenant_table(new_table);
            execute format('create policy shipped on %s for select using (organisation_id is null)', new_table);
        end if;
    end loop;
end $$;

insert into rule_items (rule_id, item_code, organisation_id, rule_code)
select id, unnest(item_codes), organisation_id, rule_code from as1851_rules
on conflict do nothing;

create or replace function list_rule_items() returns trigger language plpgsql as $$
begin
    insert into rule_items (rule_id, item_code, organisation_id, rule_code)
    select id, unnest(item_codes), organisation_id, rule_code from made
    on conflict do nothing;
    return null;
end $$;

create or replace trigger as1851_rules_list_items
    after insert on as1851_rules referencing new table as made
    for each statement execute function list_rule_items();

-- In one order, so that no two wait for each other.
create or replace function note_rule_set_change() returns trigger language plpgsql as $$
begin
    insert into rule_set_versions as known (organisation_id, version)
    select organisation_id, 1 from changed group by organisation_id order by organisation_id
    on conflict (coalesce(organisation_id, '00000000-0000-0000-0000-000000000000')) do update set version = known.version + 1;
    return null;
end $$;

do $$
declare
    watched text;
begin
    foreach watched in array array['as1851_rules', 'rule_activations'] loop
        execute format('drop trigger if exists %1$s_note_change on %1$s', watched);
        execute format('create or replace trigger %1$s_note_insert after insert on %1$s referencing new table as changed
                            for each statement execute function note_rule_set_change()', watched);
        execute format('create or replace trigger %1$s_note_update after update on %1$s referencing new table as changed
                            for each statement execute function note_rule_set_change()', watched);
        execute format('create or replace trigger %1$s_note_delete after delete on %1$s referencing old table as changed
                            for each statement execute function note_rule_set_change()', watched);
    end loop;
end $$;

-- A release from before this knows one number for all. It is raised when everything else is done, so it is held for a commit alone.
drop trigger if exists rule_set_versions_note_change on rule_set_versions;
create constraint trigger rule_set_versions_note_change
    after insert or update on rule_set_versions deferrable initially deferred
    for each row execute function note_rules_change();
