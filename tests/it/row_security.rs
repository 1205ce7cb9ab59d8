//! The second wall between tenants: for every statement, the database shows and takes no row of an organisation that its
//! transaction did not name. The tables come from the catalogue, so a new one without its policies fails here.

use std::process::Output;

use serde_json::json;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::rules::pressure;
use crate::sign_in::enrol;
use crate::support::organisation::new_email;
use crate::support::site::operation;
use crate::support::stack::command;
use crate::support::{Folder, Form, Organisation, Site, Sql, Stack, new_key};

/// Tables that hold nothing of any tenant.
const NO_TENANTS: [&str; 13] = [
    "audit_replaceable",
    "database_incarnation",
    "evidence_growth",
    "evidence_totals",
    "personal_data_keys",
    "personal_data_reencryption",
    "policy_versions",
    "projection_place",
    "refinery_schema_history",
    "rules_version",
    "session_clocks_place",
    "sign_in_throttle",
    "write_probes",
];

/// What the database says to a row that a policy refuses.
const REFUSED_BY_POLICY: &str = "42501";

/// What it says to every statement that would rewrite the record.
const THE_RECORD: &str = "23001";

/// A row for the audit log of an organisation.
const ADD_TO_THE_LOG: &str =
    "insert into audit_log (id, organisation_id, action, resource_type, status, transaction_id, leaf, leaf_hash, created_at)
     values (gen_random_uuid(), $1, 'x', 'x', 'success', gen_random_uuid(), 'x', sha256('\\x00'::bytea || 'x'), now())";

/// A table with the column that names the organisation.
struct TenantTable {
    name: String,
    organisation: &'static str,
}

fn tenant_tables(sql: &Sql) -> Vec<TenantTable> {
    let names = "select relname::text from pg_class
                 where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f') and relname <> all ($1)
                 order by relname";
    let column = |name: &str| if name == "organisations" { "id" } else { "organisation_id" };
    let table = |name: String| TenantTable { organisation: column(&name), name };
    sql.rows(names, &[&NO_TENANTS.as_slice()]).iter().map(|row| table(row.get(0))).collect()
}

impl TenantTable {
    fn count(&self, sql: &Sql, organisation_id: Uuid) -> i64 {
        let Self { name, organisation } = self;
        sql.count(&format!("select count(*) from {name} where {organisation} = $1"), &[&organisation_id])
    }

    /// A statement that may change nothing: it finds no row, or is refused.
    fn changes_nothing(&self, sql: &Sql, statement: &str, params: &[&(dyn ToSql + Sync)]) {
        match sql.try_rows(statement, params) {
            Ok(rows) => assert!(rows.is_empty(), "{statement}"),
            Err(error) => {
                let code = error.code().unwrap_or_else(|| panic!("{statement}: {error}")).code().to_owned();
                assert!(code == REFUSED_BY_POLICY || code == THE_RECORD, "{statement}: {code}");
            }
        }
    }
}

/// An organisation with a row in every table. A new table needs one here too, or nothing would be shown of it.
fn with_everything() -> Organisation {
    let site = Site::new();
    let mut named = operation("tablet", "set", &format!("{}/notes", site.items[0]), json!("dry"));
    named["op_id"] = json!(new_key());
    site.send(&json!({"changes": [named]})).expect(200);
    Form::photo(&site.session_id, new_key().as_bytes()).upload(&site.admin).expect(201);
    crate::uploads::leave_half_done(&site);
    let sql = Stack::shared().sql();
    // This stack keeps bytes in a folder, and a lease lasts no longer than an upload.
    for statement in [
        "insert into evidence_chunks (organisation_id, storage_key, chunk_number, bytes) values ($1, gen_random_uuid()::text, 0, '')",
        "insert into evidence_leases (organisation_id, storage_key, expires_at)
         values ($1, gen_random_uuid()::text, now() + interval '1 day')",
        "insert into idempotency_leases
         select $1, id, 'POST', '/v1/evidence', gen_random_uuid()::text, gen_random_uuid(), now() + interval '1 day'
         from users where organisation_id = $1 limit 1",
        "insert into jobs (id, organisation_id, kind, key, input) values (gen_random_uuid(), $1, 'nothing that a worker knows', 'x', '{}')",
        "insert into rule_impacts (id, organisation_id, job_id, audit_log_id, classified_at, item_code, observed_condition, was, would_be)
         select gen_random_uuid(), $1, id, id, now(), 'X', 'x', '{}', '{}' from jobs where organisation_id = $1 limit 1",
        "insert into defect_acts (id, organisation_id, defect_id, subject_id, building_id, kind, at, user_id, body)
         select gen_random_uuid(), $1, gen_random_uuid(), gen_random_uuid(), b.id, 'observe', now(), u.id, '{}'
         from buildings b, users u where b.organisation_id = $1 and u.organisation_id = $1 limit 1",
        "insert into defect_numbers (organisation_id, last_number) values ($1, 1)",
        "insert into defects (id, organisation_id, number, building_id, subject_id, from_history)
         select gen_random_uuid(), $1, 1, id, gen_random_uuid(), false from buildings where organisation_id = $1 limit 1",
        "insert into defect_versions (organisation_id, defect_id, known_from, building_id, subject_id, source, classification,
                                      is_overridden, description, status, provisional, opened_at, observed_at, received_at,
                                      clock_suspect, local_date, observations, observation_ids, passes_since, needs_review,
                                      interim_measures, evidence, metadata)
         select $1, id, now(), building_id, subject_id, 'manual', 'unclassified', false, 'x', 'open', false, now(), now(), now(),
                false, now()::date, 0, '{}', 0, false, '[]', '{}', '{}'
         from defects where organisation_id = $1",
        // A session without changes: the worker writes nothing of it, and takes nothing of it away.
        "insert into test_sessions (id, organisation_id, building_id, name, created_by)
         select gen_random_uuid(), $1, b.id, 'without changes', u.id
         from buildings b, users u where b.organisation_id = $1 and u.organisation_id = $1 limit 1",
        "insert into item_observations (organisation_id, id, session_id, item_id, known_from, building_id, subject_id, content,
                                        observed_at, received_at, classification)
         select $1, gen_random_uuid(), id, 'x', now(), building_id, gen_random_uuid(), '{}', now(), now(), 'unclassified'
         from test_sessions where organisation_id = $1 and name = 'without changes'",
        "insert into feed_changes (organisation_id, kind, id) values ($1, 'defect', gen_random_uuid())",
        "insert into item_passes (organisation_id, session_id, item_id, known_from, subject_id, observed_at)
         select $1, id, 'x', now(), gen_random_uuid(), now()
         from test_sessions where organisation_id = $1 and name = 'without changes'",
        "insert into item_states (organisation_id, session_id, item_id, known_from, building_id, subject_id, outcome, local_date)
         select $1, id, 'x', now(), building_id, gen_random_uuid(), 'pass', now()::date
         from test_sessions where organisation_id = $1 and name = 'without changes'",
        "insert into session_reviews (session_id, organisation_id, lineage, read_up_to, needs_review, has_held, held, quarantined, late)
         select id, $1, '', '1:1:', false, false, 0, 0, 0 from test_sessions where organisation_id = $1 limit 1
         on conflict do nothing",
        "insert into projection_failures (session_id, organisation_id, tries, error)
         select id, $1, 1, 'x' from test_sessions where organisation_id = $1 and name = 'without changes'",
        "insert into session_clocks (session_id, organisation_id, lineage, read_up_to, has_unmerged)
         select id, $1, '', '1:1:', false from test_sessions where organisation_id = $1 limit 1 on conflict do nothing",
        // Copies are made of longer sessions, and snapshots were made by earlier releases.
        "insert into session_copies (session_id, organisation_id, format, lineage, read_up_to, change_count, digest, bytes)
         select id, $1, 1, '', '1', 0, sha256(''), '' from test_sessions where organisation_id = $1 limit 1",
        "insert into session_snapshots (session_id, organisation_id, format, change_count, digest, bytes)
         select id, $1, 1, 0, sha256(''), '' from test_sessions where organisation_id = $1 limit 1",
        "insert into user_details (id, organisation_id) select id, $1 from users where organisation_id = $1 limit 1
         on conflict do nothing",
    ] {
        sql.rows(statement, &[&site.organisation.id]);
    }
    site.complete();
    let late = operation("tablet", "set", &format!("{}/notes", site.items[1]), json!("late"));
    site.send(&json!({"changes": [late]})).expect(200);
    let body = json!({"jti": Uuid::now_v7()});
    site.admin.post("/v1/auth/revoke", &body).expect(204);
    let invited = json!({"email": new_email(), "role": "technician"});
    site.admin.post("/v1/users", &invited).expect(201);
    enrol(&site.admin);
    let rule =
        site.admin.post("/v1/rules", &pressure("OWN-PRESSURE", "9.0.0", "critical_defect")).expect(201);
    site.admin.request("PUT", &format!("/v1/rules/id/{}/deactivate", rule.id())).send().expect(200);
    crate::parties::add_one(&site.admin, &site.building_id);
    let address = format!("/v1/buildings/{}", site.building_id);
    site.admin.patch(&address, &json!({"jurisdiction": "NSW"})).expect(200);
    site.admin.patch("/v1/organisation", &json!({"default_jurisdiction": "NSW"})).expect(200);
    crate::measures::make(&site.admin, &site.building_id, "AS 1851-2012").expect(201);
    crate::baselines::set(&site.admin, &site.building_id, &site.items[0], "pressure", 1200.0, "kPa")
        .expect(201);
    site.organisation
}

/// A connection that sees the rows of these organisations.
fn as_tenants(ids: &[Uuid]) -> Sql {
    let sql = Sql::connect_unprivileged(&Stack::shared().folder().database_url());
    let ids: Vec<String> = ids.iter().map(Uuid::to_string).collect();
    sql.batch(&format!("set firemode.organisations = '{{{}}}'", ids.join(",")));
    sql
}

#[test]
fn the_appliances_own_role_does_not_pass_row_security() {
    let sql = Stack::shared().sql();
    let role = "select rolsuper or rolbypassrls or rolcreaterole from pg_roles where rolname = current_user";
    assert!(!sql.rows(role, &[])[0].get::<_, bool>(0));
}

#[test]
fn every_table_is_guarded_for_its_owner_too() {
    let sql = Stack::shared().sql();
    let guard = "select c.relrowsecurity and c.relforcerowsecurity,
                        (select array_agg(p.polname::text order by p.polname) from pg_policy p where p.polrelid = c.oid)
                 from pg_class c where c.relnamespace = 'public'::regnamespace and c.relname = $1";
    let tables = tenant_tables(&sql);
    assert!(tables.len() >= 14, "{} tables", tables.len());
    for TenantTable { name, .. } in tables {
        let row = &sql.rows(guard, &[&name])[0];
        let policies: Vec<String> = row.get::<_, Option<_>>(1).unwrap_or_default();
        assert!(
            row.get::<_, bool>(0),
            "{name} has no forced row-level security: call protect_tenant_table('{name}') for it"
        );
        for policy in ["tenant", "operator"] {
            assert!(policies.iter().any(|known| known == policy), "{name} has no policy {policy}");
        }
    }
}

#[test]
fn a_transaction_of_one_tenant_reaches_no_row_of_another() {
    let (ours, theirs) = (with_everything().id, with_everything().id);
    let (operator, tenant) = (Stack::shared().sql(), as_tenants(&[ours]));
    for table in tenant_tables(&operator) {
        let TenantTable { name, organisation } = &table;
        for id in [ours, theirs] {
            assert!(table.count(&operator, id) > 0, "with_everything() makes no row of {name}");
        }
        assert_eq!(table.count(&tenant, ours), table.count(&operator, ours), "its own rows of {name}");
        assert_eq!(table.count(&tenant, theirs), 0, "rows of {name} can be read");
        let whole = format!("select count(*) from {name} where {organisation} <> $1");
        assert_eq!(tenant.count(&whole, &[&ours]), 0, "rows of {name} can be read");

        let touch = format!("update {name} set {organisation} = $1 where {organisation} = $1 returning 1");
        table.changes_nothing(&tenant, &touch, &[&theirs]);
        let steal = format!("update {name} set {organisation} = $1 where {organisation} = $2 returning 1");
        table.changes_nothing(&tenant, &steal, &[&ours, &theirs]);
        let give = format!("update {name} set {organisation} = $1 where {organisation} = $2 returning 1");
        table.changes_nothing(&tenant, &give, &[&theirs, &ours]);
        let delete = format!("delete from {name} where {organisation} = $1 returning 1");
        table.changes_nothing(&tenant, &delete, &[&theirs]);

        let row = format!("select to_jsonb(t)::text from {name} t where {organisation} = $1 limit 1");
        let row: String = operator.rows(&row, &[&theirs])[0].get(0);
        let insert =
            format!("insert into {name} select * from jsonb_populate_record(null::{name}, $1::text::jsonb)");
        assert_eq!(tenant.refusal(&insert, &[&row]), REFUSED_BY_POLICY, "a row of {name} can be forged");
    }
}

#[test]
fn a_transaction_that_names_nobody_sees_nothing_but_shipped_rules() {
    with_everything();
    let nobody = Sql::connect_unprivileged(&Stack::shared().folder().database_url());
    let tables = tenant_tables(&Stack::shared().sql());
    let empty = || {
        for TenantTable { name, .. } in &tables {
            let is_shipped_in = ["as1851_rules", "rule_items", "rule_set_versions"].contains(&&**name);
            let own = if is_shipped_in { "organisation_id is not null" } else { "true" };
            assert_eq!(nobody.count(&format!("select count(*) from {name} where {own}"), &[]), 0, "{name}");
        }
    };
    empty();
    assert!(nobody.count("select count(*) from as1851_rules", &[]) > 0, "what is shipped is for everybody");
    let ship = "insert into as1851_rules (id, rule_code, version, rule_schema, item_codes)
                select gen_random_uuid(), 'forged', version, rule_schema, item_codes from as1851_rules limit 1";
    assert_eq!(nobody.refusal(ship, &[]), REFUSED_BY_POLICY);
    nobody.changes_nothing_shipped();
    // What a transaction names ends with it: the next one on the connection is somebody else's.
    nobody.batch("begin; set local firemode.purpose = 'operator'");
    assert!(nobody.count("select count(*) from organisations", &[]) > 0);
    nobody.batch("commit");
    empty();
}

impl Sql {
    fn changes_nothing_shipped(&self) {
        let update = "update as1851_rules set is_active = false where organisation_id is null returning 1";
        assert!(self.rows(update, &[]).is_empty());
        assert!(
            self.rows("delete from as1851_rules where organisation_id is null returning 1", &[]).is_empty()
        );
    }
}

#[test]
fn a_batch_sees_the_organisations_that_it_names_and_no_third() {
    let (first, second, third) = (with_everything().id, with_everything().id, with_everything().id);
    let batch = as_tenants(&[first, second]);
    for table in tenant_tables(&Stack::shared().sql()) {
        let counts = [first, second, third].map(|id| table.count(&batch, id) > 0);
        assert_eq!(counts, [true, true, false], "{}", table.name);
    }
}

#[test]
fn a_purpose_sees_the_tables_that_it_is_about() {
    let organisation = with_everything().id;
    let sql = Sql::connect_unprivileged(&Stack::shared().folder().database_url());
    for (purpose, seen, may_write) in [
        ("sign_in", ["organisations", "users"].as_slice(), false),
        ("renewal", &["refresh_tokens"], false),
        ("revocations", &["token_revocation_list"], false),
        ("redeem", &["account_tokens"], false),
        (
            "sweep",
            &[
                "account_tokens",
                "evidence_leases",
                "evidence_upload_parts",
                "evidence_uploads",
                "idempotency_keys",
                "idempotency_leases",
                "refresh_tokens",
                "token_revocation_list",
            ],
            true,
        ),
        ("personal_data", &["building_parties", "totp_factors", "user_details", "users"], true),
        (
            "work",
            &[
                "jobs",
                "late_changes",
                "organisations",
                "projection_failures",
                "session_changes",
                "session_clocks",
                "session_reviews",
                "test_sessions",
            ],
            true,
        ),
        ("something else", &[], false),
    ] {
        sql.batch(&format!("set firemode.purpose = '{purpose}'"));
        for table in tenant_tables(&sql) {
            let TenantTable { name, organisation: column } = &table;
            let is_about = seen.contains(&name.as_str());
            assert_eq!(table.count(&sql, organisation) > 0, is_about, "{purpose}: {name}");
            let touch = format!("update {name} set {column} = {column} where {column} = $1 returning 1");
            // The worker looks for sessions across tenants, and writes to each as its tenant.
            if purpose == "work" && name != "jobs" {
                table.changes_nothing(&sql, &touch, &[&organisation]);
            } else if is_about {
                let touched = !sql.rows(&touch, &[&organisation]).is_empty();
                assert_eq!(touched, may_write, "{purpose} and writing to {name}");
            }
        }
        // Re-encryption records for each organisation what it did, and sees nothing else of the log.
        let refusal = sql.try_rows(ADD_TO_THE_LOG, &[&organisation]).err();
        let code = refusal.map(|error| error.code().unwrap().code().to_owned());
        let refused = (purpose != "personal_data").then(|| REFUSED_BY_POLICY.to_owned());
        assert_eq!(code, refused, "{purpose} and the audit log");
    }
}

#[test]
fn every_reference_between_tenants_tables_carries_the_organisation() {
    // Two below refer to a change by its session and hash, and to the session itself with the organisation, as the change
    // does: one session has one organisation, so the three have the same. Carrying it would cost the hot table one more index.
    // A rule that is shipped has no organisation that could be carried.
    let without_it = [
        "late_changes → session_changes",
        "rule_activations → as1851_rules",
        "rule_items → as1851_rules",
        "session_operations → session_changes",
    ];
    let references = "select f.conrelid::regclass || ' → ' || f.confrelid::regclass from pg_constraint f
        where f.contype = 'f' and f.connamespace = 'public'::regnamespace and f.confrelid <> 'organisations'::regclass
          and not exists (
              select from unnest(f.conkey, f.confkey) as pair (here, there)
              join pg_attribute a on a.attrelid = f.conrelid and a.attnum = pair.here and a.attname = 'organisation_id'
              join pg_attribute b on b.attrelid = f.confrelid and b.attnum = pair.there and b.attname = 'organisation_id')
        order by 1";
    let sql = Stack::shared().sql();
    let without: Vec<String> = sql.rows(references, &[]).iter().map(|row| row.get(0)).collect();
    assert_eq!(without, without_it);
    let unreferenced = "select c.relname::text from pg_class c
        where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and c.relname <> all ($1)
          and c.relname <> 'organisations'
          -- Bytes of evidence are restored before the tenant's own row is.
          and c.relname <> 'evidence_chunks'
          and not exists (select from pg_constraint f join pg_attribute a on a.attrelid = c.oid and a.attnum = any (f.conkey)
                          where f.conrelid = c.oid and f.contype = 'f' and a.attname = 'organisation_id')";
    let names: Vec<String> =
        sql.rows(unreferenced, &[&NO_TENANTS.as_slice()]).iter().map(|row| row.get(0)).collect();
    assert!(names.is_empty(), "{names:?} belong to no organisation that exists");
}

#[test]
fn a_refresh_token_of_another_tenant_is_no_parent() {
    let (ours, theirs) = (Organisation::register(Stack::shared()), Organisation::register(Stack::shared()));
    let statement =
        "update refresh_tokens set parent_id = (select id from refresh_tokens where organisation_id = $2)
                     where organisation_id = $1";
    assert_eq!(Stack::shared().sql().refusal(statement, &[&ours.id, &theirs.id]), "23503");
}

/// What `firemode migrate` says with a role on a schema of its own.
fn migrate_as(role: &str, schema: &str) -> Output {
    let stack = Stack::shared();
    stack.sql().rows(&format!("create schema {schema}"), &[]);
    let url = stack.folder().database_url().replacen("firemode@", &format!("{role}@"), 1);
    let url = format!("{url}?options=-csearch_path%3D{schema}");
    command(Folder::new().path()).arg("migrate").env("DATABASE_URL", url).output().unwrap()
}

#[test]
fn a_role_that_passes_row_security_is_warned_about() {
    for (role, warns) in [("postgres", true), ("firemode", false)] {
        let output = migrate_as(role, &format!("migrated_by_{role}"));
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success(), "{said}");
        assert_eq!(said.contains("no row-level security"), warns, "{role}: {said}");
    }
}
