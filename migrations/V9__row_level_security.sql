-- The second wall between tenants. Statements name their organisation and foreign keys carry it; from here on the database also
-- shows a transaction no row of an organisation that it did not name when it began.
--
-- What a transaction may see stands in two settings, always set with SET LOCAL, so that they end with the transaction: pools, ours
-- and one in between, hand connections from one tenant's request to another's.
--   firemode.organisations  '{id,...}': the rows of these organisations, to read and to write
--   firemode.purpose        work that is rightly across tenants, with policies of its own for the tables that it is about
-- Without either there are no rows. The policies hold for the owner of the tables too (FORCE); a superuser and a role with
-- BYPASSRLS pass them, which is why the appliance warns when it has such a role.
--
-- A later migration protects a new table with `call protect_tenant_table('name')`, and begins with
-- `set local firemode.purpose = 'operator'` where it reads or changes rows.

-- A setting that was local to an earlier transaction of the connection reads as an empty string.
create function firemode_organisations() returns uuid[] language sql stable parallel safe
    as $$ select nullif(current_setting('firemode.organisations', true), '')::uuid[] $$;
create function firemode_purpose() returns text language sql stable parallel safe
    as $$ select nullif(current_setting('firemode.purpose', true), '') $$;

-- The functions stand in scalar sub-selects: they run once for a statement, and not for each row. Indexes are found by the
-- conditions of the statement itself, which names the organisation too; what is asked of array_position the planner expects to be
-- so for nearly every row. With `= any (...)` it expects nearly none, and then sorts where it could walk an index.
create procedure protect_tenant_table(name regclass, organisation text default 'organisation_id') language plpgsql as $$
begin
    execute format('alter table %s enable row level security', name);
    execute format('alter table %s force row level security', name);
    execute format('create policy tenant on %s
                        using (array_position((select firemode_organisations()), %I) is not null)',
                   name, organisation);
    execute format('create policy operator on %s using ((select firemode_purpose()) = ''operator'')', name);
end $$;

-- References that did not carry the organisation yet.
alter table refresh_tokens add unique (organisation_id, id);
alter table refresh_tokens drop constraint refresh_tokens_parent_id_fkey;
alter table refresh_tokens add foreign key (organisation_id, parent_id) references refresh_tokens (organisation_id, id);
alter table as1851_rules add check (organisation_id is not null or created_by is null);

do $$
declare
    tenant_table regclass;
begin
    for tenant_table in
        select c.oid::regclass from pg_class c join pg_attribute a on a.attrelid = c.oid
        where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p')
          and a.attname = 'organisation_id' and not a.attisdropped and not c.relrowsecurity
        order by c.relname
    loop
        call protect_tenant_table(tenant_table);
    end loop;
end $$;
call protect_tenant_table('organisations', 'id');

-- Rules without an organisation are shipped with the product, for everybody to read.
create policy shipped on as1851_rules for select using (organisation_id is null);

create policy sign_in on organisations for select using ((select firemode_purpose()) = 'sign_in');
create policy sign_in on users for select using ((select firemode_purpose()) = 'sign_in');
create policy renewal on refresh_tokens for select using ((select firemode_purpose()) = 'renewal');
create policy revocations on token_revocation_list for select using ((select firemode_purpose()) = 'revocations');
create policy sweep on idempotency_keys using ((select firemode_purpose()) = 'sweep');
create policy sweep on token_revocation_list using ((select firemode_purpose()) = 'sweep');
create policy sweep on refresh_tokens using ((select firemode_purpose()) = 'sweep');

-- A binary from before this does not say whose rows it wants, and would find none.
update database_incarnation set oldest_binary_version = greatest(oldest_binary_version, 9);
