-- Leaves of buildings from before this release hold the building's free fields, which may name people. Each of them may be replaced,
-- once, by one that commits to what people wrote by its hash and names the hash that it had; and by nothing else.

-- When leaves began to be without texts: what is younger has none to replace.
create table audit_replaceable (
    only_row boolean primary key default true check (only_row),
    recorded_before timestamptz not null default clock_timestamp()
);
insert into audit_replaceable default values;

-- Does this say of a building what the other did, with hashes in the place of texts?
create function commits_to_building(said jsonb, was jsonb) returns boolean language sql immutable as $$
    select case
        when coalesce(jsonb_typeof(was), 'null') = 'null' then coalesce(jsonb_typeof(said), 'null') = 'null'
        else said - array['site_name', 'site_address', 'building_class', 'metadata'] = jsonb_build_object('is_active', was -> 'is_active')
            and said ->> 'site_name' ~ '^sha256:[0-9a-f]{64}$'
            and said ->> 'site_address' ~ '^sha256:[0-9a-f]{64}$'
            and said ->> 'metadata' ~ '^sha256:[0-9a-f]{64}$'
            and (said -> 'building_class' is not distinct from was -> 'building_class'
                 or said ->> 'building_class' ~ '^sha256:[0-9a-f]{64}$')
    end
$$;

create function refuse_rewriting_but_replacement() returns trigger language plpgsql as $$
declare
    context text;
    was jsonb := convert_from(old.leaf, 'UTF8')::jsonb;
    said jsonb := convert_from(new.leaf, 'UTF8')::jsonb;
begin
    get diagnostics context = pg_context;
    if context ~ 'function \S*replace_building_leaf\('
        and old.action in ('building.create', 'building.update', 'building.deactivate')
        and old.created_at < (select recorded_before from audit_replaceable)
        and was -> 'v' = '1'
        and said -> 'v' = '3'
        and said ->> 'replaces' = encode(old.leaf_hash, 'hex')
        -- The leaf and the row are what they were, but for what the leaf says of the building.
        and said - array['v', 'replaces', 'before', 'after'] = was - array['v', 'before', 'after']
        and to_jsonb(new) - array['before', 'after', 'leaf', 'leaf_hash'] = to_jsonb(old) - array['before', 'after', 'leaf', 'leaf_hash']
        and said -> 'before' = coalesce(new.before, 'null') and said -> 'after' = coalesce(new.after, 'null')
        and commits_to_building(new.before, old.before) and commits_to_building(new.after, old.after)
    then
        return new;
    end if;
    raise exception 'rows of % are the record: they are never changed or removed', tg_table_name
        using errcode = 'restrict_violation';
end $$;

drop trigger audit_log_is_the_record on audit_log;
create trigger audit_log_is_the_record
    before delete or truncate on audit_log
    for each statement execute function refuse_rewriting();
create trigger audit_log_is_replaced_once_at_most
    before update on audit_log
    for each row execute function refuse_rewriting_but_replacement();

-- The one way to replace a leaf: together with a row that says which hash gave way to which. The record is that row as it is to be
-- stored. For the owner of the tables alone.
create function replace_building_leaf(replaced audit_log, record audit_log) returns void language plpgsql as $$
declare
    was audit_log;
begin
    select * into strict was from audit_log
        where organisation_id = replaced.organisation_id and id = replaced.id for update;
    if record.organisation_id <> was.organisation_id or record.action <> 'audit.replace_leaf' or record.resource_type <> 'audit'
        or record.resource_id is distinct from was.id::text or record.user_id is not null or record.status <> 'success'
        or record.before is distinct from jsonb_build_object('leaf_hash', encode(was.leaf_hash, 'hex'))
        or record.after is distinct from jsonb_build_object('leaf_hash', encode(replaced.leaf_hash, 'hex'))
    then
        raise exception 'the record is not of this replacement' using errcode = 'check_violation';
    end if;
    update audit_log set before = replaced.before, after = replaced.after, leaf = replaced.leaf, leaf_hash = replaced.leaf_hash
        where organisation_id = was.organisation_id and id = was.id;
    record.created_xid := pg_current_xact_id();
    insert into audit_log values (record.*);
end $$;
revoke execute on function replace_building_leaf(audit_log, audit_log) from public;
