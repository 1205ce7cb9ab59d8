-- Fills the buildings of an organisation: with copies of an asset, of a session with its changes, summary and clock, and of what the audit
-- log says of results. Each copy is a row that the API could have written, but for its id; the leaf of an audit row names that, and is hashed again.
set statement_timeout = 0;

-- As the API makes ids: by time (version 7), so that rows that come together lie together in the indexes.
create function pg_temp.new_id() returns uuid language sql volatile as $$
    select encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
        placing substring(int8send((extract(epoch from clock_timestamp()) * 1000)::bigint) from 3) from 1 for 6), 52, 1), 53, 1), 'hex')::uuid
$$;

insert into assets (id, organisation_id, building_id, item_code, section, label, location, metadata)
select pg_temp.new_id(), a.organisation_id, b.id, a.item_code, a.section, a.label, a.location, a.metadata
from (select * from assets where building_id = :'building' limit 1) a,
     (select id from buildings where organisation_id = :'organisation' and id <> :'building') b, generate_series(1, 100) n;

create temporary table grown as
select pg_temp.new_id() as id, b.id as building_id
from (select id, row_number() over () as number from buildings where organisation_id = :'organisation') b,
     generate_series(1, 10) n;

insert into test_sessions (id, organisation_id, building_id, name, status, created_by, vector_clock, item_count)
select g.id, s.organisation_id, g.building_id, s.name, s.status, s.created_by, s.vector_clock, s.item_count
from grown g, test_sessions s where s.id = :'session';

insert into session_changes (session_id, organisation_id, hash, actor, seq, start_op, deps, bytes, user_id, device, instance_id)
select g.id, c.organisation_id, c.hash, c.actor, c.seq, c.start_op, c.deps, c.bytes, c.user_id, c.device, c.instance_id
from grown g, session_changes c where c.session_id = :'session';

insert into session_summaries (session_id, organisation_id, format, lineage, read_up_to, change_count, summary)
select g.id, m.organisation_id, m.format, m.lineage, pg_current_snapshot()::text, m.change_count, m.summary
from grown g, session_summaries m where m.session_id = :'session';

insert into session_clocks (session_id, organisation_id, lineage, read_up_to, has_unmerged, held, quarantined)
select g.id, c.organisation_id, c.lineage, pg_current_snapshot()::text, c.has_unmerged, c.held, c.quarantined
from grown g, session_clocks c where c.session_id = :'session';

insert into audit_log (id, organisation_id, user_id, action, resource_type, resource_id, status, transaction_id, before, after,
                       leaf, leaf_hash, created_at)
select c.id, c.organisation_id, c.user_id, c.action, c.resource_type, c.resource_id, c.status, c.transaction_id, c.before, c.after,
       c.leaf, sha256('\x00'::bytea || c.leaf), c.created_at
from (
    select n.id, l.organisation_id, l.user_id, l.action, l.resource_type, l.resource_id, l.status, l.transaction_id, l.before, l.after,
           convert_to(replace(convert_from(l.leaf, 'UTF8'), l.id::text, n.id::text), 'UTF8') as leaf, l.created_at
    from (select * from audit_log where organisation_id = :'organisation' and action = 'results.accept'
          order by octet_length(leaf) limit 1) l,
         (select pg_temp.new_id() as id from generate_series(1, (:parts * 300000)::int)) n
    offset 0
) c;

analyze buildings, assets, test_sessions, session_changes, session_summaries, session_clocks, audit_log;
