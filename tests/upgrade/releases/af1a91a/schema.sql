
SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

CREATE FUNCTION public.commits_to_building(said jsonb, was jsonb) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    AS $_$
    select case
        when coalesce(jsonb_typeof(was), 'null') = 'null' then coalesce(jsonb_typeof(said), 'null') = 'null'
        else said - array['site_name', 'site_address', 'building_class', 'metadata'] = jsonb_build_object('is_active', was -> 'is_active')
            and said ->> 'site_name' ~ '^sha256:[0-9a-f]{64}$'
            and said ->> 'site_address' ~ '^sha256:[0-9a-f]{64}$'
            and said ->> 'metadata' ~ '^sha256:[0-9a-f]{64}$'
            and (said -> 'building_class' is not distinct from was -> 'building_class'
                 or said ->> 'building_class' ~ '^sha256:[0-9a-f]{64}$')
    end
$_$;

CREATE FUNCTION public.database_lineage() RETURNS text
    LANGUAGE sql STABLE
    AS $$select database_timeline() || coalesce((select id::text from database_incarnation), '')$$;

CREATE FUNCTION public.database_lineage_digest() RETURNS bytea
    LANGUAGE sql STABLE
    AS $$select substr(sha256(convert_to(database_lineage(), 'UTF8')), 1, 4)$$;

CREATE FUNCTION public.database_timeline() RETURNS text
    LANGUAGE sql STABLE
    AS $$select case when pg_is_in_recovery()
                     then 'standby ' || (select timeline_id from pg_control_checkpoint())
                     else left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) end$$;

CREATE FUNCTION public.firemode_organisations() RETURNS uuid[]
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ select nullif(current_setting('firemode.organisations', true), '')::uuid[] $$;

CREATE FUNCTION public.firemode_purpose() RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ select nullif(current_setting('firemode.purpose', true), '') $$;

CREATE FUNCTION public.list_rule_items() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    insert into rule_items (rule_id, item_code, organisation_id, rule_code)
    select id, unnest(item_codes), organisation_id, rule_code from made
    on conflict do nothing;
    return null;
end $$;

CREATE FUNCTION public.note_evidence_growth() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
declare
    sign constant integer := case tg_op when 'INSERT' then 1 else -1 end;
begin
    insert into evidence_growth (files, bytes)
        select sign * count(*), sign * sum(size_bytes) from changed having count(*) > 0;
    return null;
end $$;

CREATE FUNCTION public.note_rule_set_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    insert into rule_set_versions as known (organisation_id, version)
    select organisation_id, 1 from changed group by organisation_id order by organisation_id
    on conflict (coalesce(organisation_id, '00000000-0000-0000-0000-000000000000')) do update set version = known.version + 1;
    return null;
end $$;

CREATE FUNCTION public.note_rules_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    update rules_version set version = version + 1 where only_row;
    return null;
end $$;

CREATE FUNCTION public.note_session_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    new.changed_xid := pg_current_xact_id();
    return new;
end $$;

CREATE PROCEDURE public.protect_tenant_table(IN name regclass, IN organisation text DEFAULT 'organisation_id'::text)
    LANGUAGE plpgsql
    AS $$
begin
    execute format('alter table %s enable row level security', name);
    execute format('alter table %s force row level security', name);
    execute format('create policy tenant on %s
                        using (array_position((select firemode_organisations()), %I) is not null)',
                   name, organisation);
    execute format('create policy operator on %s using ((select firemode_purpose()) = ''operator'')', name);
end $$;

CREATE FUNCTION public.refuse_reliance() RETURNS boolean
    LANGUAGE plpgsql
    AS $$
begin
    raise exception 'a change that is relied on is not stored'
        using errcode = 'foreign_key_violation', constraint = 'session_changes_relied_on';
end $$;

CREATE FUNCTION public.refuse_rewriting() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    raise exception 'rows of % are the record: they are never changed or removed', tg_table_name
        using errcode = 'restrict_violation';
end $$;

CREATE FUNCTION public.refuse_rewriting_but_replacement() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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

SET default_tablespace = '';

SET default_table_access_method = heap;

CREATE TABLE public.audit_log (
    id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    user_id uuid,
    action text NOT NULL,
    resource_type text NOT NULL,
    resource_id text,
    status text NOT NULL,
    transaction_id uuid NOT NULL,
    before jsonb,
    after jsonb,
    leaf bytea NOT NULL,
    leaf_hash bytea NOT NULL,
    created_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT audit_log_check CHECK ((leaf_hash = sha256(('\x00'::bytea || leaf)))),
    CONSTRAINT audit_log_status_check CHECK ((status = ANY (ARRAY['success'::text, 'failure'::text])))
);

ALTER TABLE ONLY public.audit_log FORCE ROW LEVEL SECURITY;

CREATE FUNCTION public.replace_building_leaf(replaced public.audit_log, record public.audit_log) RETURNS void
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION public.stored_changes(organisations uuid[], sessions uuid[], hashes bytea[]) RETURNS SETOF bigint
    LANGUAGE plpgsql STABLE
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_sort TO 'off'
    SET enable_incremental_sort TO 'off'
    AS $$
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

CREATE TABLE public.account_tokens (
    id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    user_id uuid NOT NULL,
    purpose text NOT NULL,
    token_hash bytea NOT NULL,
    created_by uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT account_tokens_purpose_check CHECK ((purpose = ANY (ARRAY['invitation'::text, 'password_reset'::text]))),
    CONSTRAINT account_tokens_token_hash_check CHECK ((octet_length(token_hash) = 32))
);

ALTER TABLE ONLY public.account_tokens FORCE ROW LEVEL SECURITY;

CREATE TABLE public.as1851_rules (
    id uuid NOT NULL,
    organisation_id uuid,
    rule_code text NOT NULL,
    version text NOT NULL,
    rule_schema jsonb NOT NULL,
    item_codes text[] NOT NULL,
    is_active boolean DEFAULT true NOT NULL,
    created_by uuid,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    jurisdiction text,
    effective_from date,
    created_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    provenance jsonb,
    CONSTRAINT as1851_rules_check CHECK (((organisation_id IS NOT NULL) OR (created_by IS NULL))),
    CONSTRAINT as1851_rules_item_codes_check CHECK ((cardinality(item_codes) > 0)),
    CONSTRAINT as1851_rules_jurisdiction_check CHECK ((jurisdiction = ANY (ARRAY['NSW'::text, 'VIC'::text, 'QLD'::text, 'SA'::text, 'TAS'::text, 'NT'::text, 'WA'::text, 'ACT'::text]))),
    CONSTRAINT as1851_rules_rule_code_check CHECK (((char_length(rule_code) >= 1) AND (char_length(rule_code) <= 100))),
    CONSTRAINT as1851_rules_rule_schema_check CHECK ((jsonb_typeof(rule_schema) = 'object'::text)),
    CONSTRAINT as1851_rules_version_check CHECK (((char_length(version) >= 1) AND (char_length(version) <= 100)))
);

ALTER TABLE ONLY public.as1851_rules FORCE ROW LEVEL SECURITY;

CREATE TABLE public.assets (
    id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    building_id uuid NOT NULL,
    item_code text NOT NULL,
    section smallint,
    label text NOT NULL,
    location text NOT NULL,
    installed_on date,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    is_active boolean DEFAULT true NOT NULL,
    created_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    measure_id uuid,
    CONSTRAINT assets_item_code_check CHECK (((char_length(item_code) >= 1) AND (char_length(item_code) <= 64))),
    CONSTRAINT assets_label_check CHECK (((char_length(label) >= 1) AND (char_length(label) <= 200))),
    CONSTRAINT assets_location_check CHECK (((char_length(location) >= 1) AND (char_length(location) <= 500))),
    CONSTRAINT assets_metadata_check CHECK ((jsonb_typeof(metadata) = 'object'::text)),
    CONSTRAINT assets_section_check CHECK (((section >= 2) AND (section <= 14)))
);
ALTER TABLE ONLY public.assets ALTER COLUMN organisation_id SET (n_distinct=10);

ALTER TABLE ONLY public.assets FORCE ROW LEVEL SECURITY;

CREATE TABLE public.audit_replaceable (
    only_row boolean DEFAULT true NOT NULL,
    recorded_before timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT audit_replaceable_only_row_check CHECK (only_row)
);

CREATE TABLE public.baselines (
    id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    asset_id uuid NOT NULL,
    quantities jsonb NOT NULL,
    source text NOT NULL,
    valid_from date NOT NULL,
    recorded_by uuid NOT NULL,
    created_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT baselines_quantities_check CHECK ((jsonb_typeof(quantities) = 'object'::text)),
    CONSTRAINT baselines_source_check CHECK (((char_length(source) >= 1) AND (char_length(source) <= 200)))
);

ALTER TABLE ONLY public.baselines FORCE ROW LEVEL SECURITY;

CREATE TABLE public.building_parties (
    id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    building_id uuid NOT NULL,
    role text NOT NULL,
    contact_encrypted bytea,
    erased_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT building_parties_check CHECK (((contact_encrypted IS NULL) = (erased_at IS NOT NULL))),
    CONSTRAINT building_parties_role_check CHECK ((role = ANY (ARRAY['owner'::text, 'occupier'::text, 'agent'::text, 'council'::text, 'fire_authority'::text, 'contractor'::text])))
);

ALTER TABLE ONLY public.building_parties FORCE ROW LEVEL SECURITY;

CREATE TABLE public.buildings (
    id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    site_name text NOT NULL,
    site_address text NOT NULL,
    building_class text,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    is_active boolean DEFAULT true NOT NULL,
    created_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    look_alike_key bytea,
    jurisdiction text,
    time_zone text,
    statement_anchor_on date,
    external_id text,
    CONSTRAINT buildings_building_class_check CHECK (((char_length(building_class) >= 1) AND (char_length(building_class) <= 50))),
    CONSTRAINT buildings_external_id_check CHECK (((char_length(external_id) >= 1) AND (char_length(external_id) <= 200))),
    CONSTRAINT buildings_jurisdiction_check CHECK ((jurisdiction = ANY (ARRAY['NSW'::text, 'VIC'::text, 'QLD'::text, 'SA'::text, 'TAS'::text, 'NT'::text, 'WA'::text, 'ACT'::text]))),
    CONSTRAINT buildings_look_alike_key_check CHECK ((octet_length(look_alike_key) = 32)),
    CONSTRAINT buildings_metadata_check CHECK ((jsonb_typeof(metadata) = 'object'::text)),
    CONSTRAINT buildings_site_address_check CHECK (((char_length(site_address) >= 1) AND (char_length(site_address) <= 500))),
    CONSTRAINT buildings_site_name_check CHECK (((char_length(site_name) >= 1) AND (char_length(site_name) <= 200))),
    CONSTRAINT buildings_time_zone_check CHECK (((char_length(time_zone) >= 1) AND (char_length(time_zone) <= 64)))
);
ALTER TABLE ONLY public.buildings ALTER COLUMN organisation_id SET (n_distinct=10);

ALTER TABLE ONLY public.buildings FORCE ROW LEVEL SECURITY;

CREATE TABLE public.corrected_places (
    id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    building_id uuid NOT NULL,
    jurisdiction text,
    time_zone text,
    reason text,
    corrected_by uuid NOT NULL,
    known_to timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT corrected_places_jurisdiction_check CHECK ((jurisdiction = ANY (ARRAY['NSW'::text, 'VIC'::text, 'QLD'::text, 'SA'::text, 'TAS'::text, 'NT'::text, 'WA'::text, 'ACT'::text]))),
    CONSTRAINT corrected_places_reason_check CHECK (((char_length(reason) >= 1) AND (char_length(reason) <= 1000))),
    CONSTRAINT corrected_places_time_zone_check CHECK (((char_length(time_zone) >= 1) AND (char_length(time_zone) <= 64)))
);

ALTER TABLE ONLY public.corrected_places FORCE ROW LEVEL SECURITY;

CREATE TABLE public.database_incarnation (
    only_row boolean DEFAULT true NOT NULL,
    id uuid NOT NULL,
    system_identifier bigint NOT NULL,
    began_at timestamp with time zone NOT NULL,
    oldest_binary_version integer NOT NULL,
    timeline text,
    CONSTRAINT database_incarnation_oldest_binary_version_check CHECK ((oldest_binary_version > 0)),
    CONSTRAINT database_incarnation_only_row_check CHECK (only_row)
);

CREATE TABLE public.evidence (
    organisation_id uuid NOT NULL,
    id uuid NOT NULL,
    session_id uuid NOT NULL,
    item_id text,
    evidence_type text NOT NULL,
    sha256 bytea NOT NULL,
    content_type text NOT NULL,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    status text DEFAULT 'verified'::text NOT NULL,
    uploaded_by uuid NOT NULL,
    created_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    flag_reason text,
    flagged_by uuid,
    flagged_at timestamp with time zone,
    receipt text,
    file_name text,
    CONSTRAINT evidence_check CHECK ((((flagged_at IS NULL) = (flagged_by IS NULL)) AND ((flagged_at IS NULL) = (flag_reason IS NULL)))),
    CONSTRAINT evidence_evidence_type_check CHECK ((evidence_type = ANY (ARRAY['photo'::text, 'video'::text, 'document'::text, 'measurement'::text, 'signature'::text]))),
    CONSTRAINT evidence_file_name_check CHECK (((char_length(file_name) >= 1) AND (char_length(file_name) <= 512))),
    CONSTRAINT evidence_flag_reason_check CHECK (((char_length(flag_reason) >= 1) AND (char_length(flag_reason) <= 1000))),
    CONSTRAINT evidence_item_id_check CHECK (((char_length(item_id) >= 1) AND (char_length(item_id) <= 128))),
    CONSTRAINT evidence_metadata_check CHECK ((jsonb_typeof(metadata) = 'object'::text)),
    CONSTRAINT evidence_status_check CHECK ((status = ANY (ARRAY['verified'::text, 'flagged'::text])))
);

ALTER TABLE ONLY public.evidence FORCE ROW LEVEL SECURITY;

CREATE TABLE public.evidence_blobs (
    organisation_id uuid NOT NULL,
    sha256 bytea NOT NULL,
    size_bytes bigint NOT NULL,
    storage_key text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT evidence_blobs_sha256_check CHECK ((octet_length(sha256) = 32)),
    CONSTRAINT evidence_blobs_size_bytes_check CHECK ((size_bytes >= 0))
);

ALTER TABLE ONLY public.evidence_blobs FORCE ROW LEVEL SECURITY;

CREATE TABLE public.evidence_chunks (
    organisation_id uuid NOT NULL,
    storage_key text NOT NULL,
    chunk_number integer NOT NULL,
    bytes bytea NOT NULL,
    CONSTRAINT evidence_chunks_chunk_number_check CHECK ((chunk_number >= 0))
);
ALTER TABLE ONLY public.evidence_chunks ALTER COLUMN bytes SET STORAGE EXTERNAL;

ALTER TABLE ONLY public.evidence_chunks FORCE ROW LEVEL SECURITY;

CREATE TABLE public.evidence_growth (
    files bigint NOT NULL,
    bytes bigint NOT NULL
);

CREATE TABLE public.evidence_leases (
    organisation_id uuid NOT NULL,
    storage_key text NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    condemned_at timestamp with time zone
);

ALTER TABLE ONLY public.evidence_leases FORCE ROW LEVEL SECURITY;

CREATE TABLE public.evidence_totals (
    only_row boolean DEFAULT true NOT NULL,
    files bigint NOT NULL,
    bytes bigint NOT NULL,
    CONSTRAINT evidence_totals_only_row_check CHECK (only_row)
);

CREATE TABLE public.evidence_upload_parts (
    organisation_id uuid NOT NULL,
    upload_id uuid NOT NULL,
    start_bytes bigint NOT NULL,
    size_bytes bigint NOT NULL,
    storage_key text NOT NULL,
    CONSTRAINT evidence_upload_parts_size_bytes_check CHECK ((size_bytes > 0)),
    CONSTRAINT evidence_upload_parts_start_bytes_check CHECK ((start_bytes >= 0))
);

ALTER TABLE ONLY public.evidence_upload_parts FORCE ROW LEVEL SECURITY;

CREATE TABLE public.evidence_uploads (
    organisation_id uuid NOT NULL,
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    fields jsonb NOT NULL,
    length_bytes bigint,
    offset_bytes bigint DEFAULT 0 NOT NULL,
    part_count integer DEFAULT 0 NOT NULL,
    answer jsonb,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    metadata text,
    concatenation text,
    CONSTRAINT evidence_uploads_check CHECK (((offset_bytes >= 0) AND (offset_bytes <= length_bytes))),
    CONSTRAINT evidence_uploads_complete CHECK ((COALESCE(((answer IS NOT NULL) = (offset_bytes = length_bytes)), (answer IS NULL)) OR ((answer IS NULL) AND (concatenation = 'partial'::text)))),
    CONSTRAINT evidence_uploads_fields_check CHECK ((jsonb_typeof(fields) = 'object'::text)),
    CONSTRAINT evidence_uploads_length_bytes_check CHECK ((length_bytes > 0))
);

ALTER TABLE ONLY public.evidence_uploads FORCE ROW LEVEL SECURITY;

CREATE TABLE public.idempotency_keys (
    organisation_id uuid NOT NULL,
    user_id uuid NOT NULL,
    method text NOT NULL,
    path text NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    status smallint NOT NULL,
    answer json NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT idempotency_keys_fingerprint_check CHECK ((octet_length(fingerprint) = 32)),
    CONSTRAINT idempotency_keys_key_check CHECK (((char_length(key) >= 1) AND (char_length(key) <= 255))),
    CONSTRAINT idempotency_keys_status_check CHECK (((status >= 200) AND (status <= 599)))
);

ALTER TABLE ONLY public.idempotency_keys FORCE ROW LEVEL SECURITY;

CREATE TABLE public.idempotency_leases (
    organisation_id uuid NOT NULL,
    user_id uuid NOT NULL,
    method text NOT NULL,
    path text NOT NULL,
    key text NOT NULL,
    holder_id uuid NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT idempotency_leases_key_check CHECK (((char_length(key) >= 1) AND (char_length(key) <= 255)))
);

ALTER TABLE ONLY public.idempotency_leases FORCE ROW LEVEL SECURITY;

CREATE TABLE public.jobs (
    id uuid NOT NULL,
    organisation_id uuid,
    created_by uuid,
    kind text NOT NULL,
    key text NOT NULL,
    input jsonb NOT NULL,
    state text DEFAULT 'waiting'::text NOT NULL,
    progress real DEFAULT 0 NOT NULL,
    due_at timestamp with time zone DEFAULT now() NOT NULL,
    deadline_at timestamp with time zone,
    attempts integer DEFAULT 0 NOT NULL,
    holder_id uuid,
    is_cancel_asked boolean DEFAULT false NOT NULL,
    result jsonb,
    error text,
    last_error text,
    created_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    begun_at timestamp with time zone,
    finished_at timestamp with time zone,
    CONSTRAINT jobs_attempts_check CHECK ((attempts >= 0)),
    CONSTRAINT jobs_check CHECK (((created_by IS NULL) OR (organisation_id IS NOT NULL))),
    CONSTRAINT jobs_check1 CHECK (((state = 'running'::text) = (holder_id IS NOT NULL))),
    CONSTRAINT jobs_check2 CHECK (((state = ANY (ARRAY['waiting'::text, 'running'::text])) OR (finished_at IS NOT NULL))),
    CONSTRAINT jobs_key_check CHECK (((char_length(key) >= 1) AND (char_length(key) <= 255))),
    CONSTRAINT jobs_kind_check CHECK (((char_length(kind) >= 1) AND (char_length(kind) <= 64))),
    CONSTRAINT jobs_progress_check CHECK (((progress >= (0)::double precision) AND (progress <= (1)::double precision))),
    CONSTRAINT jobs_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'running'::text, 'done'::text, 'failed'::text, 'cancelled'::text])))
);

ALTER TABLE ONLY public.jobs FORCE ROW LEVEL SECURITY;

CREATE TABLE public.late_changes (
    session_id uuid NOT NULL,
    hash bytea NOT NULL,
    organisation_id uuid NOT NULL,
    state text DEFAULT 'late'::text NOT NULL,
    decided_by uuid,
    decided_at timestamp with time zone,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    CONSTRAINT late_changes_check CHECK (((state = 'late'::text) = (decided_at IS NULL))),
    CONSTRAINT late_changes_state_check CHECK ((state = ANY (ARRAY['late'::text, 'accepted'::text, 'rejected'::text])))
);

ALTER TABLE ONLY public.late_changes FORCE ROW LEVEL SECURITY;

CREATE TABLE public.measures (
    id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    building_id uuid NOT NULL,
    name text NOT NULL,
    section smallint,
    standard_of_performance text NOT NULL,
    maintenance_standard text NOT NULL,
    performance_solution jsonb,
    is_critical boolean DEFAULT false NOT NULL,
    statement_interval_months smallint,
    external_id text,
    created_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT measures_external_id_check CHECK (((char_length(external_id) >= 1) AND (char_length(external_id) <= 200))),
    CONSTRAINT measures_maintenance_standard_check CHECK (((char_length(maintenance_standard) >= 1) AND (char_length(maintenance_standard) <= 200))),
    CONSTRAINT measures_name_check CHECK (((char_length(name) >= 1) AND (char_length(name) <= 200))),
    CONSTRAINT measures_performance_solution_check CHECK ((jsonb_typeof(performance_solution) = 'object'::text)),
    CONSTRAINT measures_section_check CHECK (((section >= 2) AND (section <= 14))),
    CONSTRAINT measures_standard_of_performance_check CHECK (((char_length(standard_of_performance) >= 1) AND (char_length(standard_of_performance) <= 500))),
    CONSTRAINT measures_statement_interval_months_check CHECK (((statement_interval_months >= 1) AND (statement_interval_months <= 120)))
);

ALTER TABLE ONLY public.measures FORCE ROW LEVEL SECURITY;

CREATE TABLE public.organisations (
    id uuid NOT NULL,
    name text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    default_jurisdiction text,
    default_time_zone text,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    strict_item_codes boolean DEFAULT false NOT NULL,
    CONSTRAINT organisations_default_jurisdiction_check CHECK ((default_jurisdiction = ANY (ARRAY['NSW'::text, 'VIC'::text, 'QLD'::text, 'SA'::text, 'TAS'::text, 'NT'::text, 'WA'::text, 'ACT'::text]))),
    CONSTRAINT organisations_default_time_zone_check CHECK (((char_length(default_time_zone) >= 1) AND (char_length(default_time_zone) <= 64))),
    CONSTRAINT organisations_name_check CHECK (((char_length(name) >= 1) AND (char_length(name) <= 200)))
);

ALTER TABLE ONLY public.organisations FORCE ROW LEVEL SECURITY;

CREATE TABLE public.personal_data_keys (
    key_id text NOT NULL,
    check_token bytea NOT NULL,
    first_used_at timestamp with time zone DEFAULT now() NOT NULL,
    encrypts_since timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    retired_at timestamp with time zone,
    CONSTRAINT personal_data_keys_key_id_check CHECK ((key_id ~ '^[0-9a-f]{12}$'::text))
);

CREATE TABLE public.personal_data_reencryption (
    only_row boolean DEFAULT true NOT NULL,
    key_id text NOT NULL,
    column_index integer DEFAULT 0 NOT NULL,
    after_id uuid,
    rows_reencrypted bigint DEFAULT 0 NOT NULL,
    rows_unreadable bigint DEFAULT 0 NOT NULL,
    began_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    ended_at timestamp with time zone,
    CONSTRAINT personal_data_reencryption_only_row_check CHECK (only_row)
);

CREATE TABLE public.policy_versions (
    digest text NOT NULL,
    name text NOT NULL,
    content jsonb NOT NULL,
    recorded_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT policy_versions_digest_check CHECK ((char_length(digest) = 64)),
    CONSTRAINT policy_versions_name_check CHECK (((char_length(name) >= 1) AND (char_length(name) <= 64)))
);

CREATE TABLE public.recent_sessions (
    organisation_id uuid NOT NULL,
    user_id uuid NOT NULL,
    session_ids uuid[] NOT NULL,
    CONSTRAINT recent_sessions_session_ids_check CHECK (((cardinality(session_ids) >= 1) AND (cardinality(session_ids) <= 64)))
);

ALTER TABLE ONLY public.recent_sessions FORCE ROW LEVEL SECURITY;

CREATE TABLE public.record_salts (
    organisation_id uuid NOT NULL,
    resource_id uuid NOT NULL,
    salt bytea DEFAULT uuid_send(gen_random_uuid()) NOT NULL,
    CONSTRAINT record_salts_salt_check CHECK ((octet_length(salt) = 16))
);

ALTER TABLE ONLY public.record_salts FORCE ROW LEVEL SECURITY;

CREATE TABLE public.recovery_codes (
    organisation_id uuid NOT NULL,
    user_id uuid NOT NULL,
    code_hash bytea NOT NULL,
    used_at timestamp with time zone,
    CONSTRAINT recovery_codes_code_hash_check CHECK ((octet_length(code_hash) = 32))
);

ALTER TABLE ONLY public.recovery_codes FORCE ROW LEVEL SECURITY;

CREATE TABLE public.refinery_schema_history (
    version integer NOT NULL,
    name character varying(255),
    applied_on character varying(255),
    checksum character varying(255)
);

CREATE TABLE public.refresh_tokens (
    id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    user_id uuid NOT NULL,
    family_id uuid NOT NULL,
    parent_id uuid,
    token_hash bytea NOT NULL,
    issued_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    used_at timestamp with time zone,
    revoked_at timestamp with time zone,
    access_jti uuid,
    access_expires_at timestamp with time zone,
    CONSTRAINT refresh_tokens_token_hash_check CHECK ((octet_length(token_hash) = 32))
);

ALTER TABLE ONLY public.refresh_tokens FORCE ROW LEVEL SECURITY;

CREATE TABLE public.rule_activations (
    id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    rule_id uuid NOT NULL,
    is_active boolean NOT NULL,
    acted_by uuid NOT NULL,
    known_from timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    known_to timestamp with time zone
);

ALTER TABLE ONLY public.rule_activations FORCE ROW LEVEL SECURITY;

CREATE TABLE public.rule_impacts (
    id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    job_id uuid NOT NULL,
    audit_log_id uuid NOT NULL,
    classified_at timestamp with time zone NOT NULL,
    item_code text NOT NULL,
    observed_condition text NOT NULL,
    session_id uuid,
    was jsonb NOT NULL,
    would_be jsonb NOT NULL,
    created_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE ONLY public.rule_impacts FORCE ROW LEVEL SECURITY;

CREATE TABLE public.rule_items (
    rule_id uuid NOT NULL,
    item_code text NOT NULL,
    organisation_id uuid,
    rule_code text NOT NULL
);

ALTER TABLE ONLY public.rule_items FORCE ROW LEVEL SECURITY;

CREATE TABLE public.rule_set_versions (
    organisation_id uuid,
    version bigint NOT NULL
);

ALTER TABLE ONLY public.rule_set_versions FORCE ROW LEVEL SECURITY;

CREATE TABLE public.rules_version (
    only_row boolean DEFAULT true NOT NULL,
    version bigint DEFAULT 0 NOT NULL,
    CONSTRAINT rules_version_only_row_check CHECK (only_row)
);

CREATE TABLE public.session_changes (
    session_id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    hash bytea NOT NULL,
    actor bytea NOT NULL,
    seq bigint NOT NULL,
    start_op bigint NOT NULL,
    deps bytea[] NOT NULL,
    bytes bytea NOT NULL,
    user_id uuid NOT NULL,
    device text,
    instance_id uuid NOT NULL,
    received_at timestamp with time zone DEFAULT now() NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    CONSTRAINT session_changes_actor_check CHECK (((octet_length(actor) >= 1) AND (octet_length(actor) <= 64))),
    CONSTRAINT session_changes_device_check CHECK (((char_length(device) >= 1) AND (char_length(device) <= 64))),
    CONSTRAINT session_changes_hash_check CHECK ((octet_length(hash) = 32)),
    CONSTRAINT session_changes_seq_check CHECK ((seq > 0)),
    CONSTRAINT session_changes_start_op_check CHECK ((start_op > 0))
);
ALTER TABLE ONLY public.session_changes ALTER COLUMN session_id SET (n_distinct=10);

ALTER TABLE ONLY public.session_changes FORCE ROW LEVEL SECURITY;

CREATE TABLE public.session_clocks (
    session_id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    lineage bytea NOT NULL,
    read_up_to text NOT NULL,
    has_unmerged boolean NOT NULL,
    held integer,
    quarantined integer
);

ALTER TABLE ONLY public.session_clocks FORCE ROW LEVEL SECURITY;

CREATE TABLE public.session_clocks_place (
    only_row boolean DEFAULT true NOT NULL,
    lineage bytea NOT NULL,
    read_up_to text NOT NULL,
    filled_up_to uuid,
    CONSTRAINT session_clocks_place_only_row_check CHECK (only_row)
);

CREATE TABLE public.session_copies (
    session_id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    format smallint NOT NULL,
    lineage bytea NOT NULL,
    read_up_to text NOT NULL,
    change_count integer NOT NULL,
    digest bytea NOT NULL,
    bytes bytea NOT NULL,
    made_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT session_copies_change_count_check CHECK ((change_count >= 0)),
    CONSTRAINT session_copies_digest_check CHECK ((octet_length(digest) = 32)),
    CONSTRAINT session_copies_format_check CHECK ((format > 0))
);
ALTER TABLE ONLY public.session_copies ALTER COLUMN bytes SET STORAGE EXTERNAL;

ALTER TABLE ONLY public.session_copies FORCE ROW LEVEL SECURITY;

CREATE TABLE public.session_operations (
    session_id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    user_id uuid NOT NULL,
    device text NOT NULL,
    op_id text NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT session_operations_device_check CHECK (((char_length(device) >= 1) AND (char_length(device) <= 64))),
    CONSTRAINT session_operations_op_id_check CHECK (((char_length(op_id) >= 1) AND (char_length(op_id) <= 255)))
);

ALTER TABLE ONLY public.session_operations FORCE ROW LEVEL SECURITY;

CREATE TABLE public.session_snapshots (
    session_id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    format smallint NOT NULL,
    change_count integer NOT NULL,
    digest bytea NOT NULL,
    bytes bytea NOT NULL,
    made_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT session_snapshots_change_count_check CHECK ((change_count >= 0)),
    CONSTRAINT session_snapshots_digest_check CHECK ((octet_length(digest) = 32)),
    CONSTRAINT session_snapshots_format_check CHECK ((format > 0))
);
ALTER TABLE ONLY public.session_snapshots ALTER COLUMN bytes SET STORAGE EXTERNAL;

ALTER TABLE ONLY public.session_snapshots FORCE ROW LEVEL SECURITY;

CREATE TABLE public.session_summaries (
    session_id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    format smallint NOT NULL,
    lineage bytea NOT NULL,
    read_up_to text NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    change_count integer NOT NULL,
    summary bytea NOT NULL,
    failed_items bytea,
    CONSTRAINT session_summaries_change_count_check CHECK ((change_count >= 0)),
    CONSTRAINT session_summaries_format_check CHECK ((format > 0))
)
WITH (fillfactor='60');
ALTER TABLE ONLY public.session_summaries ALTER COLUMN failed_items SET STORAGE EXTERNAL;

ALTER TABLE ONLY public.session_summaries FORCE ROW LEVEL SECURITY;

CREATE TABLE public.sign_in_throttle (
    key bytea NOT NULL,
    failures integer DEFAULT 0 NOT NULL,
    failed_at timestamp with time zone DEFAULT '1970-01-01 00:00:00+00'::timestamp with time zone NOT NULL,
    open_at timestamp with time zone DEFAULT '1970-01-01 00:00:00+00'::timestamp with time zone NOT NULL,
    known_until timestamp with time zone DEFAULT '1970-01-01 00:00:00+00'::timestamp with time zone NOT NULL,
    CONSTRAINT sign_in_throttle_failures_check CHECK ((failures >= 0)),
    CONSTRAINT sign_in_throttle_key_check CHECK ((octet_length(key) = 32))
);

CREATE TABLE public.test_sessions (
    id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    building_id uuid NOT NULL,
    name text NOT NULL,
    status text DEFAULT 'pending'::text NOT NULL,
    technician_id uuid,
    created_by uuid NOT NULL,
    vector_clock jsonb DEFAULT '{}'::jsonb NOT NULL,
    item_count integer DEFAULT 0 NOT NULL,
    created_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    completed_at timestamp with time zone,
    changed_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    CONSTRAINT test_sessions_item_count_check CHECK ((item_count >= 0)),
    CONSTRAINT test_sessions_name_check CHECK (((char_length(name) >= 1) AND (char_length(name) <= 200))),
    CONSTRAINT test_sessions_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'active'::text, 'completed'::text, 'cancelled'::text]))),
    CONSTRAINT test_sessions_vector_clock_check CHECK ((jsonb_typeof(vector_clock) = 'object'::text))
);
ALTER TABLE ONLY public.test_sessions ALTER COLUMN organisation_id SET (n_distinct=10);

ALTER TABLE ONLY public.test_sessions FORCE ROW LEVEL SECURITY;

CREATE TABLE public.token_revocation_list (
    id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    user_id uuid NOT NULL,
    jti uuid,
    not_before timestamp with time zone,
    revoked_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    by_jti_alone boolean DEFAULT false NOT NULL,
    CONSTRAINT token_revocation_list_check CHECK (((jti IS NULL) <> (not_before IS NULL)))
);

ALTER TABLE ONLY public.token_revocation_list FORCE ROW LEVEL SECURITY;

CREATE TABLE public.totp_factors (
    id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    user_id uuid NOT NULL,
    secret_encrypted bytea NOT NULL,
    last_step bigint DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    confirmed_at timestamp with time zone
);

ALTER TABLE ONLY public.totp_factors FORCE ROW LEVEL SECURITY;

CREATE TABLE public.user_details (
    id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    display_name_encrypted bytea,
    erased_at timestamp with time zone
);

ALTER TABLE ONLY public.user_details FORCE ROW LEVEL SECURITY;

CREATE TABLE public.users (
    id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    email text NOT NULL,
    password_hash text NOT NULL,
    full_name_encrypted bytea NOT NULL,
    role text NOT NULL,
    is_active boolean DEFAULT true NOT NULL,
    not_before timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    created_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    phone_encrypted bytea,
    joined_at timestamp with time zone DEFAULT now(),
    password_changed_at timestamp with time zone DEFAULT now() NOT NULL,
    email_key text,
    is_email_key_shared boolean DEFAULT false NOT NULL,
    CONSTRAINT users_email_check CHECK (((email = lower(email)) AND ((char_length(email) >= 3) AND (char_length(email) <= 254)))),
    CONSTRAINT users_role_check CHECK ((role = ANY (ARRAY['admin'::text, 'manager'::text, 'technician'::text, 'auditor'::text])))
);
ALTER TABLE ONLY public.users ALTER COLUMN organisation_id SET (n_distinct=10);

ALTER TABLE ONLY public.users FORCE ROW LEVEL SECURITY;

CREATE TABLE public.write_probes (
    only_row boolean DEFAULT true NOT NULL,
    written_at timestamp with time zone NOT NULL,
    filler text NOT NULL,
    CONSTRAINT write_probes_only_row_check CHECK (only_row)
);
ALTER TABLE ONLY public.write_probes ALTER COLUMN filler SET STORAGE EXTERNAL;

ALTER TABLE ONLY public.account_tokens
    ADD CONSTRAINT account_tokens_organisation_id_user_id_purpose_key UNIQUE (organisation_id, user_id, purpose);

ALTER TABLE ONLY public.account_tokens
    ADD CONSTRAINT account_tokens_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.account_tokens
    ADD CONSTRAINT account_tokens_token_hash_key UNIQUE (token_hash);

ALTER TABLE ONLY public.as1851_rules
    ADD CONSTRAINT as1851_rules_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.assets
    ADD CONSTRAINT assets_organisation_id_id_key UNIQUE (organisation_id, id);

ALTER TABLE ONLY public.assets
    ADD CONSTRAINT assets_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.audit_log
    ADD CONSTRAINT audit_log_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.audit_replaceable
    ADD CONSTRAINT audit_replaceable_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY public.baselines
    ADD CONSTRAINT baselines_organisation_id_id_key UNIQUE (organisation_id, id);

ALTER TABLE ONLY public.baselines
    ADD CONSTRAINT baselines_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.building_parties
    ADD CONSTRAINT building_parties_organisation_id_id_key UNIQUE (organisation_id, id);

ALTER TABLE ONLY public.building_parties
    ADD CONSTRAINT building_parties_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.buildings
    ADD CONSTRAINT buildings_organisation_id_id_key UNIQUE (organisation_id, id);

ALTER TABLE ONLY public.buildings
    ADD CONSTRAINT buildings_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.corrected_places
    ADD CONSTRAINT corrected_places_organisation_id_id_key UNIQUE (organisation_id, id);

ALTER TABLE ONLY public.corrected_places
    ADD CONSTRAINT corrected_places_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.database_incarnation
    ADD CONSTRAINT database_incarnation_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY public.evidence_blobs
    ADD CONSTRAINT evidence_blobs_pkey PRIMARY KEY (organisation_id, sha256);

ALTER TABLE ONLY public.evidence_blobs
    ADD CONSTRAINT evidence_blobs_storage_key_key UNIQUE (storage_key);

ALTER TABLE ONLY public.evidence_chunks
    ADD CONSTRAINT evidence_chunks_pkey PRIMARY KEY (organisation_id, storage_key, chunk_number);

ALTER TABLE ONLY public.evidence_leases
    ADD CONSTRAINT evidence_leases_pkey PRIMARY KEY (storage_key);

ALTER TABLE ONLY public.evidence
    ADD CONSTRAINT evidence_pkey PRIMARY KEY (organisation_id, id);

ALTER TABLE ONLY public.evidence_totals
    ADD CONSTRAINT evidence_totals_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY public.evidence_upload_parts
    ADD CONSTRAINT evidence_upload_parts_pkey PRIMARY KEY (organisation_id, upload_id, start_bytes);

ALTER TABLE ONLY public.evidence_upload_parts
    ADD CONSTRAINT evidence_upload_parts_storage_key_key UNIQUE (storage_key);

ALTER TABLE ONLY public.evidence_uploads
    ADD CONSTRAINT evidence_uploads_pkey PRIMARY KEY (organisation_id, id);

ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (organisation_id, user_id, method, path, key);

ALTER TABLE ONLY public.idempotency_leases
    ADD CONSTRAINT idempotency_leases_pkey PRIMARY KEY (organisation_id, user_id, method, path, key);

ALTER TABLE ONLY public.jobs
    ADD CONSTRAINT jobs_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.late_changes
    ADD CONSTRAINT late_changes_pkey PRIMARY KEY (session_id, hash);

ALTER TABLE ONLY public.measures
    ADD CONSTRAINT measures_organisation_id_building_id_id_key UNIQUE (organisation_id, building_id, id);

ALTER TABLE ONLY public.measures
    ADD CONSTRAINT measures_organisation_id_id_key UNIQUE (organisation_id, id);

ALTER TABLE ONLY public.measures
    ADD CONSTRAINT measures_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.organisations
    ADD CONSTRAINT organisations_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.personal_data_keys
    ADD CONSTRAINT personal_data_keys_pkey PRIMARY KEY (key_id);

ALTER TABLE ONLY public.personal_data_reencryption
    ADD CONSTRAINT personal_data_reencryption_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY public.policy_versions
    ADD CONSTRAINT policy_versions_pkey PRIMARY KEY (digest);

ALTER TABLE ONLY public.recent_sessions
    ADD CONSTRAINT recent_sessions_pkey PRIMARY KEY (organisation_id, user_id);

ALTER TABLE ONLY public.record_salts
    ADD CONSTRAINT record_salts_pkey PRIMARY KEY (organisation_id, resource_id);

ALTER TABLE ONLY public.recovery_codes
    ADD CONSTRAINT recovery_codes_pkey PRIMARY KEY (organisation_id, user_id, code_hash);

ALTER TABLE ONLY public.refinery_schema_history
    ADD CONSTRAINT refinery_schema_history_pkey PRIMARY KEY (version);

ALTER TABLE ONLY public.refresh_tokens
    ADD CONSTRAINT refresh_tokens_organisation_id_id_key UNIQUE (organisation_id, id);

ALTER TABLE ONLY public.refresh_tokens
    ADD CONSTRAINT refresh_tokens_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.refresh_tokens
    ADD CONSTRAINT refresh_tokens_token_hash_key UNIQUE (token_hash);

ALTER TABLE ONLY public.rule_activations
    ADD CONSTRAINT rule_activations_organisation_id_id_key UNIQUE (organisation_id, id);

ALTER TABLE ONLY public.rule_activations
    ADD CONSTRAINT rule_activations_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.rule_impacts
    ADD CONSTRAINT rule_impacts_job_id_audit_log_id_key UNIQUE (job_id, audit_log_id);

ALTER TABLE ONLY public.rule_impacts
    ADD CONSTRAINT rule_impacts_organisation_id_id_key UNIQUE (organisation_id, id);

ALTER TABLE ONLY public.rule_impacts
    ADD CONSTRAINT rule_impacts_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.rule_items
    ADD CONSTRAINT rule_items_pkey PRIMARY KEY (rule_id, item_code);

ALTER TABLE ONLY public.rules_version
    ADD CONSTRAINT rules_version_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY public.session_changes
    ADD CONSTRAINT session_changes_actor_seq UNIQUE (session_id, actor, seq);

ALTER TABLE ONLY public.session_changes
    ADD CONSTRAINT session_changes_pkey PRIMARY KEY (session_id, hash);

ALTER TABLE ONLY public.session_clocks
    ADD CONSTRAINT session_clocks_pkey PRIMARY KEY (session_id);

ALTER TABLE ONLY public.session_clocks_place
    ADD CONSTRAINT session_clocks_place_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY public.session_copies
    ADD CONSTRAINT session_copies_pkey PRIMARY KEY (session_id);

ALTER TABLE ONLY public.session_operations
    ADD CONSTRAINT session_operations_pkey PRIMARY KEY (session_id, user_id, device, op_id);

ALTER TABLE ONLY public.session_snapshots
    ADD CONSTRAINT session_snapshots_pkey PRIMARY KEY (session_id);

ALTER TABLE ONLY public.session_summaries
    ADD CONSTRAINT session_summaries_pkey PRIMARY KEY (session_id);

ALTER TABLE ONLY public.sign_in_throttle
    ADD CONSTRAINT sign_in_throttle_pkey PRIMARY KEY (key);

ALTER TABLE ONLY public.test_sessions
    ADD CONSTRAINT test_sessions_organisation_id_id_key UNIQUE (organisation_id, id);

ALTER TABLE ONLY public.test_sessions
    ADD CONSTRAINT test_sessions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.token_revocation_list
    ADD CONSTRAINT token_revocation_list_organisation_id_jti_key UNIQUE (organisation_id, jti);

ALTER TABLE ONLY public.token_revocation_list
    ADD CONSTRAINT token_revocation_list_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.token_revocation_list
    ADD CONSTRAINT token_revocation_list_user_id_jti_key UNIQUE (user_id, jti);

ALTER TABLE ONLY public.totp_factors
    ADD CONSTRAINT totp_factors_organisation_id_user_id_key UNIQUE (organisation_id, user_id);

ALTER TABLE ONLY public.totp_factors
    ADD CONSTRAINT totp_factors_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.user_details
    ADD CONSTRAINT user_details_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_organisation_id_id_key UNIQUE (organisation_id, id);

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.write_probes
    ADD CONSTRAINT write_probes_pkey PRIMARY KEY (only_row);

CREATE INDEX idx_account_tokens_expires_at ON public.account_tokens USING btree (expires_at);

CREATE INDEX idx_active_buildings ON public.buildings USING btree (organisation_id, created_at DESC, id DESC) WHERE is_active;

CREATE INDEX idx_as1851_rules_created_at ON public.as1851_rules USING btree (organisation_id, created_at DESC, id DESC);

CREATE UNIQUE INDEX idx_as1851_rules_own ON public.as1851_rules USING btree (organisation_id, rule_code, version) WHERE (organisation_id IS NOT NULL);

CREATE UNIQUE INDEX idx_as1851_rules_shipped ON public.as1851_rules USING btree (rule_code, version) WHERE (organisation_id IS NULL);

CREATE INDEX idx_assets_building ON public.assets USING btree (organisation_id, building_id, created_at DESC, id DESC);

CREATE INDEX idx_assets_measure ON public.assets USING btree (organisation_id, measure_id, created_at DESC, id DESC) WHERE (measure_id IS NOT NULL);

CREATE INDEX idx_audit_log_action ON public.audit_log USING btree (organisation_id, action, created_at DESC, id DESC) WHERE (action <> 'results.accept'::text);

CREATE INDEX idx_audit_log_created_at ON public.audit_log USING btree (organisation_id, created_at DESC, id DESC);

CREATE INDEX idx_audit_log_failures ON public.audit_log USING btree (organisation_id, created_at DESC, id DESC) WHERE (status = 'failure'::text);

CREATE INDEX idx_audit_log_resource ON public.audit_log USING btree (organisation_id, resource_id, created_at DESC, id DESC);

CREATE INDEX idx_audit_log_resource_type ON public.audit_log USING btree (organisation_id, resource_type, created_at DESC, id DESC) WHERE (action <> 'results.accept'::text);

CREATE INDEX idx_audit_user_status ON public.audit_log USING btree (organisation_id, user_id, status, created_at DESC, id DESC);

CREATE INDEX idx_baselines_created_at ON public.baselines USING btree (organisation_id, asset_id, created_at DESC, id DESC);

CREATE INDEX idx_baselines_in_force ON public.baselines USING btree (organisation_id, asset_id, valid_from DESC, created_at DESC, id DESC);

CREATE INDEX idx_building_parties_building ON public.building_parties USING btree (organisation_id, building_id, id);

CREATE INDEX idx_buildings_created_at ON public.buildings USING btree (organisation_id, created_at DESC, id DESC);

CREATE UNIQUE INDEX idx_buildings_external_id ON public.buildings USING btree (organisation_id, external_id) WHERE (external_id IS NOT NULL);

CREATE UNIQUE INDEX idx_buildings_look_alike_key ON public.buildings USING btree (organisation_id, look_alike_key);

CREATE INDEX idx_buildings_without_look_alike_key ON public.buildings USING btree (id) WHERE (look_alike_key IS NULL);

CREATE INDEX idx_corrected_places_building ON public.corrected_places USING btree (organisation_id, building_id, known_to);

CREATE INDEX idx_evidence_flagged ON public.evidence USING btree (organisation_id, session_id, created_at DESC, id DESC) WHERE (status = 'flagged'::text);

CREATE INDEX idx_evidence_item ON public.evidence USING btree (organisation_id, session_id, item_id, created_at DESC, id DESC);

CREATE INDEX idx_evidence_leases_expires_at ON public.evidence_leases USING btree (expires_at);

CREATE INDEX idx_evidence_session ON public.evidence USING btree (organisation_id, session_id, created_at DESC, id DESC);

CREATE INDEX idx_evidence_sha256 ON public.evidence USING btree (organisation_id, sha256);

CREATE INDEX idx_evidence_uploads_expires_at ON public.evidence_uploads USING btree (expires_at);

CREATE INDEX idx_evidence_uploads_user ON public.evidence_uploads USING btree (organisation_id, user_id) WHERE (answer IS NULL);

CREATE INDEX idx_idempotency_keys_expires_at ON public.idempotency_keys USING btree (expires_at);

CREATE INDEX idx_idempotency_leases_expires_at ON public.idempotency_leases USING btree (expires_at);

CREATE INDEX idx_inactive_assets ON public.assets USING btree (organisation_id, building_id, created_at DESC, id DESC) WHERE (NOT is_active);

CREATE INDEX idx_inactive_buildings ON public.buildings USING btree (organisation_id, created_at DESC, id DESC) WHERE (NOT is_active);

CREATE INDEX idx_inactive_users ON public.users USING btree (organisation_id, created_at DESC, id DESC) WHERE (NOT is_active);

CREATE INDEX idx_jobs_created_by ON public.jobs USING btree (organisation_id, created_by, created_at DESC, id DESC) WHERE (created_by IS NOT NULL);

CREATE INDEX idx_jobs_due_at ON public.jobs USING btree (due_at, id) WHERE (state = ANY (ARRAY['waiting'::text, 'running'::text]));

CREATE INDEX idx_jobs_failed ON public.jobs USING btree (kind) WHERE (state = 'failed'::text);

CREATE INDEX idx_jobs_finished_at ON public.jobs USING btree (finished_at) WHERE (state = ANY (ARRAY['done'::text, 'failed'::text, 'cancelled'::text]));

CREATE UNIQUE INDEX idx_jobs_key ON public.jobs USING btree (COALESCE(organisation_id, '00000000-0000-0000-0000-000000000000'::uuid), kind, key);

CREATE INDEX idx_jobs_open ON public.jobs USING btree (organisation_id, kind, state) WHERE (state = ANY (ARRAY['waiting'::text, 'running'::text]));

CREATE UNIQUE INDEX idx_jobs_organisation ON public.jobs USING btree (organisation_id, id);

CREATE INDEX idx_late_changes_undecided ON public.late_changes USING btree (session_id) WHERE (state = 'late'::text);

CREATE INDEX idx_late_changes_xid ON public.late_changes USING btree (organisation_id, xid);

CREATE INDEX idx_measures_building ON public.measures USING btree (organisation_id, building_id, created_at DESC, id DESC);

CREATE UNIQUE INDEX idx_measures_external_id ON public.measures USING btree (organisation_id, building_id, external_id) WHERE (external_id IS NOT NULL);

CREATE INDEX idx_refresh_tokens_expires_at ON public.refresh_tokens USING btree (expires_at);

CREATE INDEX idx_refresh_tokens_family ON public.refresh_tokens USING btree (family_id);

CREATE INDEX idx_refresh_tokens_parent ON public.refresh_tokens USING btree (parent_id);

CREATE INDEX idx_refresh_tokens_user ON public.refresh_tokens USING btree (organisation_id, user_id);

CREATE UNIQUE INDEX idx_rule_activations_now ON public.rule_activations USING btree (organisation_id, rule_id) WHERE (known_to IS NULL);

CREATE INDEX idx_rule_impacts_created_at ON public.rule_impacts USING btree (organisation_id, job_id, created_at DESC, id DESC);

CREATE INDEX idx_rule_items_item_code ON public.rule_items USING btree (organisation_id, item_code, rule_code);

CREATE UNIQUE INDEX idx_rule_set_versions_organisation ON public.rule_set_versions USING btree (COALESCE(organisation_id, '00000000-0000-0000-0000-000000000000'::uuid));

CREATE INDEX idx_session_changes_feed ON public.session_changes USING btree (organisation_id, xid, session_id);

CREATE INDEX idx_session_changes_first ON public.session_changes USING btree (organisation_id, actor, session_id) WHERE (seq = 1);

CREATE INDEX idx_session_changes_history ON public.session_changes USING btree (session_id, received_at DESC, hash DESC);

CREATE INDEX idx_session_changes_xid ON public.session_changes USING btree (session_id, xid);

CREATE INDEX idx_session_clocks_unmerged ON public.session_clocks USING btree (session_id) WHERE has_unmerged;

CREATE INDEX idx_sign_in_throttle_failed_at ON public.sign_in_throttle USING btree (failed_at);

CREATE INDEX idx_test_sessions_building ON public.test_sessions USING btree (organisation_id, building_id, created_at DESC, id DESC);

CREATE INDEX idx_test_sessions_changed_xid ON public.test_sessions USING btree (organisation_id, changed_xid);

CREATE INDEX idx_test_sessions_created_at ON public.test_sessions USING btree (organisation_id, created_at DESC, id DESC);

CREATE INDEX idx_test_sessions_status ON public.test_sessions USING btree (organisation_id, status, created_at DESC, id DESC);

CREATE INDEX idx_test_sessions_technician ON public.test_sessions USING btree (organisation_id, technician_id, created_at DESC, id DESC);

CREATE INDEX idx_token_revocation_list_expires_at ON public.token_revocation_list USING btree (expires_at);

CREATE INDEX idx_token_revocation_list_revoked_at ON public.token_revocation_list USING btree (revoked_at);

CREATE INDEX idx_users_created_at ON public.users USING btree (organisation_id, created_at DESC, id DESC);

CREATE UNIQUE INDEX idx_users_email ON public.users USING btree (email) WHERE (joined_at IS NOT NULL);

CREATE UNIQUE INDEX idx_users_email_key ON public.users USING btree (email_key) WHERE (joined_at IS NOT NULL);

CREATE UNIQUE INDEX idx_users_organisation_email ON public.users USING btree (organisation_id, email);

CREATE UNIQUE INDEX idx_users_organisation_email_key ON public.users USING btree (organisation_id, email_key);

CREATE INDEX idx_users_role ON public.users USING btree (organisation_id, role, created_at DESC, id DESC);

CREATE INDEX idx_users_without_email_key ON public.users USING btree (id) WHERE ((email_key IS NULL) AND (NOT is_email_key_shared));

CREATE INDEX idx_vector_clock_gin ON public.test_sessions USING gin (vector_clock jsonb_path_ops);

CREATE TRIGGER as1851_rules_list_items AFTER INSERT ON public.as1851_rules REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION public.list_rule_items();

CREATE TRIGGER as1851_rules_note_delete AFTER DELETE ON public.as1851_rules REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.note_rule_set_change();

CREATE TRIGGER as1851_rules_note_insert AFTER INSERT ON public.as1851_rules REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.note_rule_set_change();

CREATE TRIGGER as1851_rules_note_update AFTER UPDATE ON public.as1851_rules REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.note_rule_set_change();

CREATE TRIGGER audit_log_is_replaced_once_at_most BEFORE UPDATE ON public.audit_log FOR EACH ROW EXECUTE FUNCTION public.refuse_rewriting_but_replacement();

CREATE TRIGGER audit_log_is_the_record BEFORE DELETE OR TRUNCATE ON public.audit_log FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_rewriting();

CREATE TRIGGER evidence_blobs_note_added AFTER INSERT ON public.evidence_blobs REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.note_evidence_growth();

CREATE TRIGGER evidence_blobs_note_removed AFTER DELETE ON public.evidence_blobs REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.note_evidence_growth();

CREATE TRIGGER rule_activations_note_delete AFTER DELETE ON public.rule_activations REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.note_rule_set_change();

CREATE TRIGGER rule_activations_note_insert AFTER INSERT ON public.rule_activations REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.note_rule_set_change();

CREATE TRIGGER rule_activations_note_update AFTER UPDATE ON public.rule_activations REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.note_rule_set_change();

CREATE CONSTRAINT TRIGGER rule_set_versions_note_change AFTER INSERT OR UPDATE ON public.rule_set_versions DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.note_rules_change();

CREATE TRIGGER session_changes_are_the_record BEFORE DELETE OR UPDATE OR TRUNCATE ON public.session_changes FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_rewriting();

CREATE TRIGGER test_sessions_note_change BEFORE UPDATE OF name, status, technician_id, updated_at ON public.test_sessions FOR EACH ROW EXECUTE FUNCTION public.note_session_change();

ALTER TABLE ONLY public.account_tokens
    ADD CONSTRAINT account_tokens_organisation_id_created_by_fkey FOREIGN KEY (organisation_id, created_by) REFERENCES public.users(organisation_id, id);

ALTER TABLE ONLY public.account_tokens
    ADD CONSTRAINT account_tokens_organisation_id_user_id_fkey FOREIGN KEY (organisation_id, user_id) REFERENCES public.users(organisation_id, id);

ALTER TABLE ONLY public.as1851_rules
    ADD CONSTRAINT as1851_rules_organisation_id_created_by_fkey FOREIGN KEY (organisation_id, created_by) REFERENCES public.users(organisation_id, id);

ALTER TABLE ONLY public.as1851_rules
    ADD CONSTRAINT as1851_rules_organisation_id_fkey FOREIGN KEY (organisation_id) REFERENCES public.organisations(id);

ALTER TABLE ONLY public.assets
    ADD CONSTRAINT assets_measure_fkey FOREIGN KEY (organisation_id, building_id, measure_id) REFERENCES public.measures(organisation_id, building_id, id);

ALTER TABLE ONLY public.assets
    ADD CONSTRAINT assets_organisation_id_building_id_fkey FOREIGN KEY (organisation_id, building_id) REFERENCES public.buildings(organisation_id, id);

ALTER TABLE ONLY public.audit_log
    ADD CONSTRAINT audit_log_organisation_id_fkey FOREIGN KEY (organisation_id) REFERENCES public.organisations(id);

ALTER TABLE ONLY public.audit_log
    ADD CONSTRAINT audit_log_organisation_id_user_id_fkey FOREIGN KEY (organisation_id, user_id) REFERENCES public.users(organisation_id, id);

ALTER TABLE ONLY public.baselines
    ADD CONSTRAINT baselines_organisation_id_asset_id_fkey FOREIGN KEY (organisation_id, asset_id) REFERENCES public.assets(organisation_id, id);

ALTER TABLE ONLY public.baselines
    ADD CONSTRAINT baselines_organisation_id_fkey FOREIGN KEY (organisation_id) REFERENCES public.organisations(id);

ALTER TABLE ONLY public.baselines
    ADD CONSTRAINT baselines_organisation_id_recorded_by_fkey FOREIGN KEY (organisation_id, recorded_by) REFERENCES public.users(organisation_id, id);

ALTER TABLE ONLY public.building_parties
    ADD CONSTRAINT building_parties_organisation_id_building_id_fkey FOREIGN KEY (organisation_id, building_id) REFERENCES public.buildings(organisation_id, id);

ALTER TABLE ONLY public.buildings
    ADD CONSTRAINT buildings_organisation_id_fkey FOREIGN KEY (organisation_id) REFERENCES public.organisations(id);

ALTER TABLE ONLY public.corrected_places
    ADD CONSTRAINT corrected_places_organisation_id_building_id_fkey FOREIGN KEY (organisation_id, building_id) REFERENCES public.buildings(organisation_id, id);

ALTER TABLE ONLY public.corrected_places
    ADD CONSTRAINT corrected_places_organisation_id_corrected_by_fkey FOREIGN KEY (organisation_id, corrected_by) REFERENCES public.users(organisation_id, id);

ALTER TABLE ONLY public.evidence_blobs
    ADD CONSTRAINT evidence_blobs_organisation_id_fkey FOREIGN KEY (organisation_id) REFERENCES public.organisations(id);

ALTER TABLE ONLY public.evidence_leases
    ADD CONSTRAINT evidence_leases_organisation_id_fkey FOREIGN KEY (organisation_id) REFERENCES public.organisations(id);

ALTER TABLE ONLY public.evidence
    ADD CONSTRAINT evidence_organisation_id_flagged_by_fkey FOREIGN KEY (organisation_id, flagged_by) REFERENCES public.users(organisation_id, id);

ALTER TABLE ONLY public.evidence
    ADD CONSTRAINT evidence_organisation_id_session_id_fkey FOREIGN KEY (organisation_id, session_id) REFERENCES public.test_sessions(organisation_id, id);

ALTER TABLE ONLY public.evidence
    ADD CONSTRAINT evidence_organisation_id_sha256_fkey FOREIGN KEY (organisation_id, sha256) REFERENCES public.evidence_blobs(organisation_id, sha256);

ALTER TABLE ONLY public.evidence
    ADD CONSTRAINT evidence_organisation_id_uploaded_by_fkey FOREIGN KEY (organisation_id, uploaded_by) REFERENCES public.users(organisation_id, id);

ALTER TABLE ONLY public.evidence_upload_parts
    ADD CONSTRAINT evidence_upload_parts_organisation_id_upload_id_fkey FOREIGN KEY (organisation_id, upload_id) REFERENCES public.evidence_uploads(organisation_id, id);

ALTER TABLE ONLY public.evidence_uploads
    ADD CONSTRAINT evidence_uploads_organisation_id_user_id_fkey FOREIGN KEY (organisation_id, user_id) REFERENCES public.users(organisation_id, id);

ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT idempotency_keys_organisation_id_user_id_fkey FOREIGN KEY (organisation_id, user_id) REFERENCES public.users(organisation_id, id);

ALTER TABLE ONLY public.idempotency_leases
    ADD CONSTRAINT idempotency_leases_organisation_id_user_id_fkey FOREIGN KEY (organisation_id, user_id) REFERENCES public.users(organisation_id, id);

ALTER TABLE ONLY public.jobs
    ADD CONSTRAINT jobs_organisation_id_created_by_fkey FOREIGN KEY (organisation_id, created_by) REFERENCES public.users(organisation_id, id);

ALTER TABLE ONLY public.jobs
    ADD CONSTRAINT jobs_organisation_id_fkey FOREIGN KEY (organisation_id) REFERENCES public.organisations(id);

ALTER TABLE ONLY public.late_changes
    ADD CONSTRAINT late_changes_organisation_id_decided_by_fkey FOREIGN KEY (organisation_id, decided_by) REFERENCES public.users(organisation_id, id);

ALTER TABLE ONLY public.late_changes
    ADD CONSTRAINT late_changes_organisation_id_session_id_fkey FOREIGN KEY (organisation_id, session_id) REFERENCES public.test_sessions(organisation_id, id);

ALTER TABLE ONLY public.late_changes
    ADD CONSTRAINT late_changes_session_id_hash_fkey FOREIGN KEY (session_id, hash) REFERENCES public.session_changes(session_id, hash);

ALTER TABLE ONLY public.measures
    ADD CONSTRAINT measures_organisation_id_building_id_fkey FOREIGN KEY (organisation_id, building_id) REFERENCES public.buildings(organisation_id, id);

ALTER TABLE ONLY public.recent_sessions
    ADD CONSTRAINT recent_sessions_organisation_id_user_id_fkey FOREIGN KEY (organisation_id, user_id) REFERENCES public.users(organisation_id, id);

ALTER TABLE ONLY public.record_salts
    ADD CONSTRAINT record_salts_organisation_id_fkey FOREIGN KEY (organisation_id) REFERENCES public.organisations(id);

ALTER TABLE ONLY public.recovery_codes
    ADD CONSTRAINT recovery_codes_organisation_id_user_id_fkey FOREIGN KEY (organisation_id, user_id) REFERENCES public.totp_factors(organisation_id, user_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.refresh_tokens
    ADD CONSTRAINT refresh_tokens_organisation_id_parent_id_fkey FOREIGN KEY (organisation_id, parent_id) REFERENCES public.refresh_tokens(organisation_id, id);

ALTER TABLE ONLY public.refresh_tokens
    ADD CONSTRAINT refresh_tokens_organisation_id_user_id_fkey FOREIGN KEY (organisation_id, user_id) REFERENCES public.users(organisation_id, id);

ALTER TABLE ONLY public.rule_activations
    ADD CONSTRAINT rule_activations_organisation_id_acted_by_fkey FOREIGN KEY (organisation_id, acted_by) REFERENCES public.users(organisation_id, id);

ALTER TABLE ONLY public.rule_activations
    ADD CONSTRAINT rule_activations_organisation_id_fkey FOREIGN KEY (organisation_id) REFERENCES public.organisations(id);

ALTER TABLE ONLY public.rule_activations
    ADD CONSTRAINT rule_activations_rule_id_fkey FOREIGN KEY (rule_id) REFERENCES public.as1851_rules(id);

ALTER TABLE ONLY public.rule_impacts
    ADD CONSTRAINT rule_impacts_organisation_id_job_id_fkey FOREIGN KEY (organisation_id, job_id) REFERENCES public.jobs(organisation_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.rule_items
    ADD CONSTRAINT rule_items_organisation_id_fkey FOREIGN KEY (organisation_id) REFERENCES public.organisations(id);

ALTER TABLE ONLY public.rule_items
    ADD CONSTRAINT rule_items_rule_id_fkey FOREIGN KEY (rule_id) REFERENCES public.as1851_rules(id);

ALTER TABLE ONLY public.rule_set_versions
    ADD CONSTRAINT rule_set_versions_organisation_id_fkey FOREIGN KEY (organisation_id) REFERENCES public.organisations(id);

ALTER TABLE ONLY public.session_changes
    ADD CONSTRAINT session_changes_organisation_id_session_id_fkey FOREIGN KEY (organisation_id, session_id) REFERENCES public.test_sessions(organisation_id, id);

ALTER TABLE ONLY public.session_changes
    ADD CONSTRAINT session_changes_organisation_id_user_id_fkey FOREIGN KEY (organisation_id, user_id) REFERENCES public.users(organisation_id, id);

ALTER TABLE ONLY public.session_clocks
    ADD CONSTRAINT session_clocks_organisation_id_session_id_fkey FOREIGN KEY (organisation_id, session_id) REFERENCES public.test_sessions(organisation_id, id);

ALTER TABLE ONLY public.session_copies
    ADD CONSTRAINT session_copies_organisation_id_session_id_fkey FOREIGN KEY (organisation_id, session_id) REFERENCES public.test_sessions(organisation_id, id);

ALTER TABLE ONLY public.session_operations
    ADD CONSTRAINT session_operations_organisation_id_session_id_fkey FOREIGN KEY (organisation_id, session_id) REFERENCES public.test_sessions(organisation_id, id);

ALTER TABLE ONLY public.session_operations
    ADD CONSTRAINT session_operations_organisation_id_user_id_fkey FOREIGN KEY (organisation_id, user_id) REFERENCES public.users(organisation_id, id);

ALTER TABLE ONLY public.session_operations
    ADD CONSTRAINT session_operations_session_id_hash_fkey FOREIGN KEY (session_id, hash) REFERENCES public.session_changes(session_id, hash);

ALTER TABLE ONLY public.session_snapshots
    ADD CONSTRAINT session_snapshots_organisation_id_session_id_fkey FOREIGN KEY (organisation_id, session_id) REFERENCES public.test_sessions(organisation_id, id);

ALTER TABLE ONLY public.session_summaries
    ADD CONSTRAINT session_summaries_organisation_id_session_id_fkey FOREIGN KEY (organisation_id, session_id) REFERENCES public.test_sessions(organisation_id, id);

ALTER TABLE ONLY public.test_sessions
    ADD CONSTRAINT test_sessions_organisation_id_building_id_fkey FOREIGN KEY (organisation_id, building_id) REFERENCES public.buildings(organisation_id, id);

ALTER TABLE ONLY public.test_sessions
    ADD CONSTRAINT test_sessions_organisation_id_created_by_fkey FOREIGN KEY (organisation_id, created_by) REFERENCES public.users(organisation_id, id);

ALTER TABLE ONLY public.test_sessions
    ADD CONSTRAINT test_sessions_organisation_id_technician_id_fkey FOREIGN KEY (organisation_id, technician_id) REFERENCES public.users(organisation_id, id);

ALTER TABLE ONLY public.token_revocation_list
    ADD CONSTRAINT token_revocation_list_organisation_id_user_id_fkey FOREIGN KEY (organisation_id, user_id) REFERENCES public.users(organisation_id, id);

ALTER TABLE ONLY public.totp_factors
    ADD CONSTRAINT totp_factors_organisation_id_user_id_fkey FOREIGN KEY (organisation_id, user_id) REFERENCES public.users(organisation_id, id);

ALTER TABLE ONLY public.user_details
    ADD CONSTRAINT user_details_organisation_id_id_fkey FOREIGN KEY (organisation_id, id) REFERENCES public.users(organisation_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_organisation_id_fkey FOREIGN KEY (organisation_id) REFERENCES public.organisations(id);

ALTER TABLE public.account_tokens ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.as1851_rules ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.assets ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.audit_log ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.baselines ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.building_parties ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.buildings ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.corrected_places ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.evidence ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.evidence_blobs ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.evidence_chunks ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.evidence_leases ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.evidence_upload_parts ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.evidence_uploads ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.idempotency_keys ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.idempotency_leases ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.jobs ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.late_changes ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.measures ENABLE ROW LEVEL SECURITY;

CREATE POLICY operator ON public.account_tokens USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'operator'::text));

CREATE POLICY operator ON public.as1851_rules USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'operator'::text));

CREATE POLICY operator ON public.assets USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'operator'::text));

CREATE POLICY operator ON public.audit_log USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'operator'::text));

CREATE POLICY operator ON public.baselines USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'operator'::text));

CREATE POLICY operator ON public.building_parties USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'operator'::text));

CREATE POLICY operator ON public.buildings USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'operator'::text));

CREATE POLICY operator ON public.corrected_places USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'operator'::text));

CREATE POLICY operator ON public.evidence USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'operator'::text));

CREATE POLICY operator ON public.evidence_blobs USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'operator'::text));

CREATE POLICY operator ON public.evidence_chunks USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'operator'::text));

CREATE POLICY operator ON public.evidence_leases USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'operator'::text));

CREATE POLICY operator ON public.evidence_upload_parts USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'operator'::text));

CREATE POLICY operator ON public.evidence_uploads USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'operator'::text));

CREATE POLICY operator ON public.idempotency_keys USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'operator'::text));

CREATE POLICY operator ON public.idempotency_leases USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'operator'::text));

CREATE POLICY operator ON public.jobs USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'operator'::text));

CREATE POLICY operator ON public.late_changes USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'operator'::text));

CREATE POLICY operator ON public.measures USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'operator'::text));

CREATE POLICY operator ON public.organisations USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'operator'::text));

CREATE POLICY operator ON public.recent_sessions USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'operator'::text));

CREATE POLICY operator ON public.record_salts USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'operator'::text));

CREATE POLICY operator ON public.recovery_codes USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'operator'::text));

CREATE POLICY operator ON public.refresh_tokens USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'operator'::text));

CREATE POLICY operator ON public.rule_activations USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'operator'::text));

CREATE POLICY operator ON public.rule_impacts USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'operator'::text));

CREATE POLICY operator ON public.rule_items USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'operator'::text));

CREATE POLICY operator ON public.rule_set_versions USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'operator'::text));

CREATE POLICY operator ON public.session_changes USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'operator'::text));

CREATE POLICY operator ON public.session_clocks USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'operator'::text));

CREATE POLICY operator ON public.session_copies USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'operator'::text));

CREATE POLICY operator ON public.session_operations USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'operator'::text));

CREATE POLICY operator ON public.session_snapshots USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'operator'::text));

CREATE POLICY operator ON public.session_summaries USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'operator'::text));

CREATE POLICY operator ON public.test_sessions USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'operator'::text));

CREATE POLICY operator ON public.token_revocation_list USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'operator'::text));

CREATE POLICY operator ON public.totp_factors USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'operator'::text));

CREATE POLICY operator ON public.user_details USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'operator'::text));

CREATE POLICY operator ON public.users USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'operator'::text));

ALTER TABLE public.organisations ENABLE ROW LEVEL SECURITY;

CREATE POLICY personal_data_add ON public.audit_log FOR INSERT WITH CHECK ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'personal_data'::text));

CREATE POLICY personal_data_change ON public.building_parties FOR UPDATE USING ((( SELECT current_setting('firemode.purpose'::text, true) AS current_setting) = 'personal_data'::text));

CREATE POLICY personal_data_change ON public.totp_factors FOR UPDATE USING ((( SELECT current_setting('firemode.purpose'::text, true) AS current_setting) = 'personal_data'::text));

CREATE POLICY personal_data_change ON public.user_details FOR UPDATE USING ((( SELECT current_setting('firemode.purpose'::text, true) AS current_setting) = 'personal_data'::text));

CREATE POLICY personal_data_change ON public.users FOR UPDATE USING ((( SELECT current_setting('firemode.purpose'::text, true) AS current_setting) = 'personal_data'::text));

CREATE POLICY personal_data_read ON public.building_parties FOR SELECT USING ((( SELECT current_setting('firemode.purpose'::text, true) AS current_setting) = 'personal_data'::text));

CREATE POLICY personal_data_read ON public.totp_factors FOR SELECT USING ((( SELECT current_setting('firemode.purpose'::text, true) AS current_setting) = 'personal_data'::text));

CREATE POLICY personal_data_read ON public.user_details FOR SELECT USING ((( SELECT current_setting('firemode.purpose'::text, true) AS current_setting) = 'personal_data'::text));

CREATE POLICY personal_data_read ON public.users FOR SELECT USING ((( SELECT current_setting('firemode.purpose'::text, true) AS current_setting) = 'personal_data'::text));

ALTER TABLE public.recent_sessions ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.record_salts ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.recovery_codes ENABLE ROW LEVEL SECURITY;

CREATE POLICY redeem ON public.account_tokens FOR SELECT USING ((( SELECT current_setting('firemode.purpose'::text, true) AS current_setting) = 'redeem'::text));

ALTER TABLE public.refresh_tokens ENABLE ROW LEVEL SECURITY;

CREATE POLICY renewal ON public.refresh_tokens FOR SELECT USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'renewal'::text));

CREATE POLICY revocations ON public.token_revocation_list FOR SELECT USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'revocations'::text));

ALTER TABLE public.rule_activations ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.rule_impacts ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.rule_items ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.rule_set_versions ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.session_changes ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.session_clocks ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.session_copies ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.session_operations ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.session_snapshots ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.session_summaries ENABLE ROW LEVEL SECURITY;

CREATE POLICY shipped ON public.as1851_rules FOR SELECT USING ((organisation_id IS NULL));

CREATE POLICY shipped ON public.rule_items FOR SELECT USING ((organisation_id IS NULL));

CREATE POLICY shipped ON public.rule_set_versions FOR SELECT USING ((organisation_id IS NULL));

CREATE POLICY sign_in ON public.organisations FOR SELECT USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'sign_in'::text));

CREATE POLICY sign_in ON public.users FOR SELECT USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'sign_in'::text));

CREATE POLICY sweep ON public.account_tokens USING ((( SELECT current_setting('firemode.purpose'::text, true) AS current_setting) = 'sweep'::text));

CREATE POLICY sweep ON public.evidence_leases USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'sweep'::text));

CREATE POLICY sweep ON public.evidence_upload_parts USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'sweep'::text));

CREATE POLICY sweep ON public.evidence_uploads USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'sweep'::text));

CREATE POLICY sweep ON public.idempotency_keys USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'sweep'::text));

CREATE POLICY sweep ON public.idempotency_leases USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'sweep'::text));

CREATE POLICY sweep ON public.refresh_tokens USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'sweep'::text));

CREATE POLICY sweep ON public.token_revocation_list USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'sweep'::text));

CREATE POLICY tenant ON public.account_tokens USING ((array_position(( SELECT public.firemode_organisations() AS firemode_organisations), organisation_id) IS NOT NULL));

CREATE POLICY tenant ON public.as1851_rules USING ((array_position(( SELECT public.firemode_organisations() AS firemode_organisations), organisation_id) IS NOT NULL));

CREATE POLICY tenant ON public.assets USING ((array_position(( SELECT public.firemode_organisations() AS firemode_organisations), organisation_id) IS NOT NULL));

CREATE POLICY tenant ON public.audit_log USING ((array_position(( SELECT public.firemode_organisations() AS firemode_organisations), organisation_id) IS NOT NULL));

CREATE POLICY tenant ON public.baselines USING ((array_position(( SELECT public.firemode_organisations() AS firemode_organisations), organisation_id) IS NOT NULL));

CREATE POLICY tenant ON public.building_parties USING ((array_position(( SELECT public.firemode_organisations() AS firemode_organisations), organisation_id) IS NOT NULL));

CREATE POLICY tenant ON public.buildings USING ((array_position(( SELECT public.firemode_organisations() AS firemode_organisations), organisation_id) IS NOT NULL));

CREATE POLICY tenant ON public.corrected_places USING ((array_position(( SELECT public.firemode_organisations() AS firemode_organisations), organisation_id) IS NOT NULL));

CREATE POLICY tenant ON public.evidence USING ((array_position(( SELECT public.firemode_organisations() AS firemode_organisations), organisation_id) IS NOT NULL));

CREATE POLICY tenant ON public.evidence_blobs USING ((array_position(( SELECT public.firemode_organisations() AS firemode_organisations), organisation_id) IS NOT NULL));

CREATE POLICY tenant ON public.evidence_chunks USING ((array_position(( SELECT public.firemode_organisations() AS firemode_organisations), organisation_id) IS NOT NULL));

CREATE POLICY tenant ON public.evidence_leases USING ((array_position(( SELECT public.firemode_organisations() AS firemode_organisations), organisation_id) IS NOT NULL));

CREATE POLICY tenant ON public.evidence_upload_parts USING ((array_position(( SELECT public.firemode_organisations() AS firemode_organisations), organisation_id) IS NOT NULL));

CREATE POLICY tenant ON public.evidence_uploads USING ((array_position(( SELECT public.firemode_organisations() AS firemode_organisations), organisation_id) IS NOT NULL));

CREATE POLICY tenant ON public.idempotency_keys USING ((array_position(( SELECT public.firemode_organisations() AS firemode_organisations), organisation_id) IS NOT NULL));

CREATE POLICY tenant ON public.idempotency_leases USING ((array_position(( SELECT public.firemode_organisations() AS firemode_organisations), organisation_id) IS NOT NULL));

CREATE POLICY tenant ON public.jobs USING ((array_position(( SELECT public.firemode_organisations() AS firemode_organisations), organisation_id) IS NOT NULL));

CREATE POLICY tenant ON public.late_changes USING ((array_position(( SELECT public.firemode_organisations() AS firemode_organisations), organisation_id) IS NOT NULL));

CREATE POLICY tenant ON public.measures USING ((array_position(( SELECT public.firemode_organisations() AS firemode_organisations), organisation_id) IS NOT NULL));

CREATE POLICY tenant ON public.organisations USING ((array_position(( SELECT public.firemode_organisations() AS firemode_organisations), id) IS NOT NULL));

CREATE POLICY tenant ON public.recent_sessions USING ((array_position(( SELECT public.firemode_organisations() AS firemode_organisations), organisation_id) IS NOT NULL));

CREATE POLICY tenant ON public.record_salts USING ((array_position(( SELECT public.firemode_organisations() AS firemode_organisations), organisation_id) IS NOT NULL));

CREATE POLICY tenant ON public.recovery_codes USING ((array_position(( SELECT public.firemode_organisations() AS firemode_organisations), organisation_id) IS NOT NULL));

CREATE POLICY tenant ON public.refresh_tokens USING ((array_position(( SELECT public.firemode_organisations() AS firemode_organisations), organisation_id) IS NOT NULL));

CREATE POLICY tenant ON public.rule_activations USING ((array_position(( SELECT public.firemode_organisations() AS firemode_organisations), organisation_id) IS NOT NULL));

CREATE POLICY tenant ON public.rule_impacts USING ((array_position(( SELECT public.firemode_organisations() AS firemode_organisations), organisation_id) IS NOT NULL));

CREATE POLICY tenant ON public.rule_items USING ((array_position(( SELECT public.firemode_organisations() AS firemode_organisations), organisation_id) IS NOT NULL));

CREATE POLICY tenant ON public.rule_set_versions USING ((array_position(( SELECT public.firemode_organisations() AS firemode_organisations), organisation_id) IS NOT NULL));

CREATE POLICY tenant ON public.session_changes USING ((array_position(( SELECT public.firemode_organisations() AS firemode_organisations), organisation_id) IS NOT NULL));

CREATE POLICY tenant ON public.session_clocks USING ((array_position(( SELECT public.firemode_organisations() AS firemode_organisations), organisation_id) IS NOT NULL));

CREATE POLICY tenant ON public.session_copies USING ((array_position(( SELECT public.firemode_organisations() AS firemode_organisations), organisation_id) IS NOT NULL));

CREATE POLICY tenant ON public.session_operations USING ((array_position(( SELECT public.firemode_organisations() AS firemode_organisations), organisation_id) IS NOT NULL));

CREATE POLICY tenant ON public.session_snapshots USING ((array_position(( SELECT public.firemode_organisations() AS firemode_organisations), organisation_id) IS NOT NULL));

CREATE POLICY tenant ON public.session_summaries USING ((array_position(( SELECT public.firemode_organisations() AS firemode_organisations), organisation_id) IS NOT NULL));

CREATE POLICY tenant ON public.test_sessions USING ((array_position(( SELECT public.firemode_organisations() AS firemode_organisations), organisation_id) IS NOT NULL));

CREATE POLICY tenant ON public.token_revocation_list USING ((array_position(( SELECT public.firemode_organisations() AS firemode_organisations), organisation_id) IS NOT NULL));

CREATE POLICY tenant ON public.totp_factors USING ((array_position(( SELECT public.firemode_organisations() AS firemode_organisations), organisation_id) IS NOT NULL));

CREATE POLICY tenant ON public.user_details USING ((array_position(( SELECT public.firemode_organisations() AS firemode_organisations), organisation_id) IS NOT NULL));

CREATE POLICY tenant ON public.users USING ((array_position(( SELECT public.firemode_organisations() AS firemode_organisations), organisation_id) IS NOT NULL));

ALTER TABLE public.test_sessions ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.token_revocation_list ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.totp_factors ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.user_details ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.users ENABLE ROW LEVEL SECURITY;

CREATE POLICY work ON public.jobs USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'work'::text));

CREATE POLICY work ON public.late_changes FOR SELECT USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'work'::text));

CREATE POLICY work ON public.organisations FOR SELECT USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'work'::text));

CREATE POLICY work ON public.session_changes FOR SELECT USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'work'::text));

CREATE POLICY work ON public.session_clocks FOR SELECT USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'work'::text));

CREATE POLICY work ON public.test_sessions FOR SELECT USING ((( SELECT public.firemode_purpose() AS firemode_purpose) = 'work'::text));

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

INSERT INTO public.database_incarnation VALUES (true, '3e9d2069-8fd8-44d2-bd7f-e81411fd93ac', 7714015497852126468, '2026-11-30 17:20:01.187551+00', 9, '00000001');

INSERT INTO public.refinery_schema_history VALUES (1, 'organisations_and_users', '2026-11-30T17:19:57.422930081Z', '16576516403140213682');
INSERT INTO public.refinery_schema_history VALUES (2, 'buildings_and_assets', '2026-11-30T17:19:57.764283594Z', '16990334738904832205');
INSERT INTO public.refinery_schema_history VALUES (3, 'sessions_and_changes', '2026-11-30T17:19:57.906421624Z', '4744737668910521337');
INSERT INTO public.refinery_schema_history VALUES (4, 'evidence', '2026-11-30T17:19:58.062382549Z', '1568448101537893029');
INSERT INTO public.refinery_schema_history VALUES (5, 'rules', '2026-11-30T17:19:58.150645112Z', '3677048712765891111');
INSERT INTO public.refinery_schema_history VALUES (6, 'idempotency_and_audit', '2026-11-30T17:19:58.240154994Z', '13908610530002797575');
INSERT INTO public.refinery_schema_history VALUES (7, 'identity', '2026-11-30T17:19:58.339312071Z', '7885209218204419491');
INSERT INTO public.refinery_schema_history VALUES (8, 'personal_data_keys', '2026-11-30T17:19:58.438155188Z', '8083807621036481719');
INSERT INTO public.refinery_schema_history VALUES (9, 'row_level_security', '2026-11-30T17:19:58.492019975Z', '14491143602955818953');
INSERT INTO public.refinery_schema_history VALUES (12, 'evidence_stores_and_uploads', '2026-11-30T17:19:58.576360282Z', '8785771702835905631');
INSERT INTO public.refinery_schema_history VALUES (13, 'what_changed', '2026-11-30T17:19:58.700825815Z', '17890280678505538528');
INSERT INTO public.refinery_schema_history VALUES (17, 'idempotency_leases', '2026-11-30T17:19:58.762684326Z', '6729321631029896553');
INSERT INTO public.refinery_schema_history VALUES (18, 'session_snapshots', '2026-11-30T17:19:58.816713341Z', '17508101396336853374');
INSERT INTO public.refinery_schema_history VALUES (19, 'key_use_on_record', '2026-11-30T17:19:58.834511633Z', '9418169704926900073');
INSERT INTO public.refinery_schema_history VALUES (20, 'answers_as_they_were_sent', '2026-11-30T17:19:58.839480472Z', '693048463143859945');
INSERT INTO public.refinery_schema_history VALUES (21, 'changes_relied_on', '2026-11-30T17:19:58.888331796Z', '5615562856135077754');
INSERT INTO public.refinery_schema_history VALUES (22, 'one_form_of_paths_and_tokens_by_jti', '2026-11-30T17:19:58.902064112Z', '6279635517842757135');
INSERT INTO public.refinery_schema_history VALUES (23, 'names_that_look_alike', '2026-11-30T17:19:59.005526003Z', '13776963160690786923');
INSERT INTO public.refinery_schema_history VALUES (24, 'salts_of_the_record', '2026-11-30T17:19:59.119412224Z', '14743482291468206796');
INSERT INTO public.refinery_schema_history VALUES (25, 'replaced_leaves', '2026-11-30T17:19:59.205271119Z', '18349281588472475944');
INSERT INTO public.refinery_schema_history VALUES (26, 'receipts_of_evidence', '2026-11-30T17:19:59.247633964Z', '18318426806847282688');
INSERT INTO public.refinery_schema_history VALUES (27, 'recent_sessions', '2026-11-30T17:19:59.266233418Z', '4490532242547658179');
INSERT INTO public.refinery_schema_history VALUES (28, 'database_lineage', '2026-11-30T17:19:59.292104381Z', '3398772304026421071');
INSERT INTO public.refinery_schema_history VALUES (29, 'session_copies', '2026-11-30T17:19:59.300196108Z', '13285866118420045805');
INSERT INTO public.refinery_schema_history VALUES (30, 'jobs', '2026-11-30T17:19:59.353329032Z', '10498700922965276682');
INSERT INTO public.refinery_schema_history VALUES (31, 'plans_without_luck', '2026-11-30T17:19:59.4382352Z', '15284980611824899280');
INSERT INTO public.refinery_schema_history VALUES (32, 'clocks_and_jobs_that_are_listed', '2026-11-30T17:19:59.454476892Z', '10641519873413809342');
INSERT INTO public.refinery_schema_history VALUES (34, 'rules_version', '2026-11-30T17:19:59.611192153Z', '16126512487138636588');
INSERT INTO public.refinery_schema_history VALUES (36, 'histories_and_write_probes', '2026-11-30T17:19:59.659891242Z', '15437707615047332663');
INSERT INTO public.refinery_schema_history VALUES (37, 'uploads_of_official_clients', '2026-11-30T17:19:59.7907305Z', '706745743902633722');
INSERT INTO public.refinery_schema_history VALUES (38, 'rules_of_ones_own', '2026-11-30T17:19:59.832643641Z', '15453749956079468871');
INSERT INTO public.refinery_schema_history VALUES (39, 'summaries_and_indexes_of_reads', '2026-11-30T17:19:59.938396548Z', '4798525453837977264');
INSERT INTO public.refinery_schema_history VALUES (41, 'rules_by_item_and_organisation', '2026-11-30T17:20:00.175484694Z', '5672460755371461981');
INSERT INTO public.refinery_schema_history VALUES (42, 'strict_item_codes', '2026-11-30T17:20:00.302198114Z', '8825036728675244166');
INSERT INTO public.refinery_schema_history VALUES (43, 'baselines', '2026-11-30T17:20:00.335470048Z', '15779664412096868153');
INSERT INTO public.refinery_schema_history VALUES (44, 'measures', '2026-11-30T17:20:00.454894948Z', '12640918718371891433');
INSERT INTO public.refinery_schema_history VALUES (45, 'what_must_be_seen', '2026-11-30T17:20:00.563352007Z', '589739976790184986');
INSERT INTO public.refinery_schema_history VALUES (46, 'parties_and_erasure', '2026-11-30T17:20:00.688473481Z', '11203086439773790491');
INSERT INTO public.refinery_schema_history VALUES (48, 'provenance_of_rules', '2026-11-30T17:20:00.97602253Z', '15176257552081000203');
INSERT INTO public.refinery_schema_history VALUES (49, 'policy_versions', '2026-11-30T17:20:00.993375226Z', '16868315824318111532');
INSERT INTO public.refinery_schema_history VALUES (50, 'rule_impacts', '2026-11-30T17:20:01.092155596Z', '10941991617252249942');

