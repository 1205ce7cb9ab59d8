-- What is acknowledged must not rest on a change that the database has lost, as a failover to a standby that was behind loses some.
-- A batch asks for the changes that it relies on along with what it stores; where one of them is missing, it is made to fail.

-- Which of these changes are stored, by their places in the arrays: one look into the primary key for each. Whatever the planner
-- thinks of the table, it has no other way: rows are wanted in the order of that index, and nothing may be sorted. (Three indexes begin
-- with the session; on a young table the planner takes any of them, and then reads all changes of the session.) The organisation is
-- compared as no index can. The plan is made once for a connection: made for each call, it would cost more than the looks.
create function stored_changes(organisations uuid[], sessions uuid[], hashes bytea[]) returns setof bigint language plpgsql stable
    set plan_cache_mode = force_generic_plan
    set enable_sort = off
    set enable_incremental_sort = off
as $$
begin
    return query
        select w.place from unnest(organisations, sessions, hashes) with ordinality as w (organisation_id, session_id, hash, place)
        cross join lateral (
            select from session_changes c
            where (c.session_id, c.hash) >= (w.session_id, w.hash) and (c.session_id, c.hash) <= (w.session_id, w.hash)
              and c.organisation_id is not distinct from w.organisation_id
            order by c.session_id, c.hash
            limit 1
        ) c;
end $$;

create function refuse_reliance() returns boolean language plpgsql as $$
begin
    raise exception 'a change that is relied on is not stored'
        using errcode = 'foreign_key_violation', constraint = 'session_changes_relied_on';
end $$;
