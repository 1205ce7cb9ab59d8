-- Classification rules. Those without an organisation are shipped with the product; an organisation may add versions and
-- rules of its own. A version never changes once made; it can only be deactivated.

create table as1851_rules (
    id uuid primary key,
    organisation_id uuid references organisations (id),
    rule_code text not null check (char_length(rule_code) between 1 and 100),
    version text not null check (char_length(version) between 1 and 100),
    rule_schema jsonb not null check (jsonb_typeof(rule_schema) = 'object'),
    item_codes text[] not null check (cardinality(item_codes) > 0),
    is_active boolean not null default true,
    created_by uuid,
    created_at timestamptz not null default now(),
    foreign key (organisation_id, created_by) references users (organisation_id, id)
);
create unique index idx_as1851_rules_shipped on as1851_rules (rule_code, version) where organisation_id is null;
create unique index idx_as1851_rules_own on as1851_rules (organisation_id, rule_code, version)
    where organisation_id is not null;
create index idx_as1851_rules_item_codes on as1851_rules using gin (item_codes) where is_active;
