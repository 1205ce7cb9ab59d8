-- Columns in which a copy that years.sql made differs from the row that the API wrote, but for what is each row's own: ids, times,
-- transactions, and the leaf of an audit row, which has the id in it (`firemode audit verify` looks at that).
with copy_of as (
    select id from test_sessions where building_id <> :'building'
        and id in (select session_id from session_changes) limit 1
), pairs (relation, original, copy) as (
    (
        select 'assets', to_jsonb(o), (select to_jsonb(c) from assets c where c.building_id <> o.building_id limit 1)
        from assets o where o.building_id = :'building' limit 1)
    union all
    select 'test_sessions', to_jsonb(o), (select to_jsonb(c) from test_sessions c, copy_of where c.id = copy_of.id)
    from test_sessions o where o.id = :'session'
    union all
    select 'session_changes', to_jsonb(o),
           (select to_jsonb(c) from session_changes c, copy_of where c.session_id = copy_of.id and c.hash = o.hash)
    from session_changes o where o.session_id = :'session'
    union all
    select 'session_summaries', to_jsonb(o), (select to_jsonb(c) from session_summaries c, copy_of where c.session_id = copy_of.id)
    from session_summaries o where o.session_id = :'session'
    union all
    select 'session_clocks', to_jsonb(o), (select to_jsonb(c) from session_clocks c, copy_of where c.session_id = copy_of.id)
    from session_clocks o where o.session_id = :'session'
    union all (
        select 'audit_log', to_jsonb(o), (select to_jsonb(c) from audit_log c where c.transaction_id = o.transaction_id and c.id <> o.id limit 1)
        from audit_log o where action = 'results.accept' order by octet_length(leaf) limit 1)
)
select string_agg(distinct relation || '.' || key, ', ')
from pairs, jsonb_each(original)
where copy -> key is distinct from value
    and key not in ('id', 'building_id', 'session_id', 'created_at', 'updated_at', 'received_at', 'created_xid', 'changed_xid',
                    'xid', 'read_up_to', 'leaf', 'leaf_hash');
