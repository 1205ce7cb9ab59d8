-- Lets an organisation grow: copies of its building, of an asset, of a session with its changes and summary, and of what the audit log says
-- of them. Each copy is a row that the API could have written, but for its id; the leaf of an audit row names that, and is hashed again.
set statement_timeout = 0;

insert into buildings (id, organisation_id, site_name, site_address, metadata)
select gen_random_uuid(), organisation_id, site_name, site_address || ' ' || n, metadata
from buildings, generate_series(1, :parts * 100) n where id = :'building';

insert into assets (id, organisation_id, building_id, item_code, section, label, location, metadata)
select gen_random_uuid(), a.organisation_id, b.id, a.item_code, a.section, a.label, a.location, a.metadata
from (select * from assets where building_id = :'building' limit 1) a,
     (select id from buildings where organisation_id = :'organisation' and id <> :'building') b, generate_series(1, 100) n;

create temporary table grown as
select gen_random_uuid() as id, b.id as building_id
from (select id, row_number() over () as number from buildings where organisation_id = :'organisation') b,
     generate_series(1, 10) n;

insert into test_sessions (id, organisation_id, building_id, name, status, created_by, item_count)
select g.id, s.organisation_id, g.building_id, s.name, s.status, s.created_by, s.item_count
from grown g, test_sessions s where s.id = :'session';

insert into session_changes (session_id, organisation_id, hash, actor, seq, start_op, deps, bytes, user_id, device, instance_id)
select g.id, c.organisation_id, c.hash, c.actor, c.seq, c.start_op, c.deps, c.bytes, c.user_id, c.device, c.instance_id
from grown g, session_changes c where c.session_id = :'session';

insert into session_summaries (session_id, organisation_id, format, lineage, read_up_to, change_count, summary)
select g.id, m.organisation_id, m.format, m.lineage, pg_current_snapshot()::text, m.change_count, m.summary
from grown g, session_summaries m where m.session_id = :'session';

insert into audit_log (id, organisation_id, user_id, action, resource_type, resource_id, status, transaction_id, before, after,
                       leaf, leaf_hash, created_at)
select c.id, c.organisation_id, c.user_id, c.action, c.resource_type, c.resource_id, c.status, c.transaction_id, c.before, c.after,
       c.leaf, sha256('\x00'::bytea || c.leaf), c.created_at
from (
    select n.id, l.organisation_id, l.user_id, l.action, l.resource_type, l.resource_id, l.status, l.transaction_id, l.before, l.after,
           convert_to(replace(convert_from(l.leaf, 'UTF8'), l.id::text, n.id::text), 'UTF8') as leaf, l.created_at
    from (select * from audit_log where organisation_id = :'organisation' and action = 'results.accept'
          order by octet_length(leaf) limit 1) l,
         (select gen_random_uuid() as id from generate_series(1, :parts * 300000)) n
    offset 0
) c;

analyze buildings, assets, test_sessions, session_changes, session_summaries, audit_log;
