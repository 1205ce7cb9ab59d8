-- What a version of a rule would have changed: the report of a job. Can be run again.

set local firemode.purpose = 'operator';

create unique index if not exists idx_jobs_organisation on jobs (organisation_id, id);

create table if not exists rule_impacts (
    id uuid primary key,
    organisation_id uuid not null,
    job_id uuid not null,
    -- The entry of the audit log that has the classification.
    audit_log_id uuid not null,
    classified_at timestamptz not null,
    item_code text not null,
    observed_condition text not null,
    session_id uuid,
    was jsonb not null,
    would_be jsonb not null,
    created_xid xid8 not null default pg_current_xact_id(),
    created_at timestamptz not null default now(),
    unique (organisation_id, id),
    unique (job_id, audit_log_id),
    foreign key (organisation_id, job_id) references jobs (organisation_id, id) on delete cascade
);
create index if not exists idx_rule_impacts_created_at on rule_impacts (organisation_id, job_id, created_at desc, id desc);

do $$
begin
    if not (select relrowsecurity from pg_class where oid = 'rule_impacts'::regclass) then
        call protect_tenant_table('rule_impacts');
    end if;
end $$;
