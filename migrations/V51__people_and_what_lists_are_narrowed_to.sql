-- Who did what is shown by the name that somebody has chosen, or by role and number; and what lists can be narrowed to besides.

set local firemode.purpose = 'operator';

-- People are numbered as they come to their organisation, so that one without a name to be shown can be told from others. A number
-- stays with its person, whatever becomes of the name and the role.
alter table user_details add column if not exists number integer check (number > 0);
create unique index if not exists idx_user_details_number on user_details (organisation_id, number);

create or replace function number_users() returns trigger language plpgsql as $$
begin
    -- Those who come at once wait for each other.
    perform from organisations where id in (select organisation_id from added) order by id for no key update;
    insert into user_details (organisation_id, id, number)
        select a.organisation_id, a.id,
               last.number + row_number() over (partition by a.organisation_id order by a.created_at, a.id)
        from added a cross join lateral (
            select coalesce(max(d.number), 0) as number from user_details d where d.organisation_id = a.organisation_id
        ) last;
    return null;
end $$;

create or replace trigger users_number after insert on users
    referencing new table as added for each statement execute function number_users();

insert into user_details as d (organisation_id, id, number)
    select u.organisation_id, u.id,
           last.number + row_number() over (partition by u.organisation_id order by u.created_at, u.id)
    from users u left join user_details known on known.id = u.id cross join lateral (
        select coalesce(max(o.number), 0) as number from user_details o where o.organisation_id = u.organisation_id
    ) last
    where known.number is null
on conflict (id) do update set number = excluded.number;

-- Sessions with late work that waits for a decision.
create index if not exists idx_late_changes_waiting on late_changes (organisation_id, session_id) where state = 'late';

-- In which building a piece of evidence was taken: that of its session, which never changes. The database says it, because a release
-- from before does not.
alter table evidence add column if not exists building_id uuid;

create or replace function note_building_of_evidence() returns trigger language plpgsql as $$
begin
    new.building_id := (select s.building_id from test_sessions s
                        where s.organisation_id = new.organisation_id and s.id = new.session_id);
    return new;
end $$;

create or replace trigger evidence_note_building before insert on evidence
    for each row execute function note_building_of_evidence();

update evidence e set building_id = s.building_id from test_sessions s
    where s.organisation_id = e.organisation_id and s.id = e.session_id and e.building_id is null;

create index if not exists idx_evidence_created_at on evidence (organisation_id, created_at desc, id desc);
create index if not exists idx_evidence_building on evidence (organisation_id, building_id, created_at desc, id desc);
create index if not exists idx_evidence_flagged_anywhere on evidence (organisation_id, created_at desc, id desc)
    where status = 'flagged';
-- As in V31 and V39.
alter table evidence alter column organisation_id set (n_distinct = 10), alter column session_id set (n_distinct = 10);

-- What a building is found by: its name and address in the form in which they are compared. As with the keys of names that look alike
-- (V23), the program works it out, and gives it at its start to rows that have none.
alter table buildings add column if not exists search_key text;
create index if not exists idx_buildings_without_search_key on buildings (id) where search_key is null;

create or replace function forget_search_key() returns trigger language plpgsql as $$
begin
    new.search_key := null;
    return new;
end $$;

-- A release from before renames a building and knows nothing of the key.
create or replace trigger buildings_forget_search_key before update of site_name, site_address on buildings
    for each row when (new.search_key is not distinct from old.search_key
                       and (lower(new.site_name), lower(new.site_address))
                           is distinct from (lower(old.site_name), lower(old.site_address)))
    execute function forget_search_key();
