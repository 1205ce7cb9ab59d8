-- Which rules there are by now: a number that is another one after each change of them, whoever makes it. So whoever keeps rules in
-- memory sees with one look, in the transaction in which they decide, whether they are still the present ones.
create table if not exists rules_version (
    only_row boolean primary key default true check (only_row),
    version bigint not null default 0
);
insert into rules_version default values on conflict do nothing;

create or replace function note_rules_change() returns trigger language plpgsql as $$
begin
    update rules_version set version = version + 1 where only_row;
    return null;
end $$;

create or replace trigger as1851_rules_note_change
    after insert or update or delete or truncate on as1851_rules
    for each statement execute function note_rules_change();
