//! Migrations, in schemas of their own beside the one of the shared stack.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::site::new_building;
use crate::support::stack::{NOWHERE, command};
use crate::support::{Folder, Organisation, Sql, Stack, eventually};

/// Ids of rows that a test makes by hand.
const ORGANISATION: &str = "00000000-0000-7000-8000-000000000001";
const USER: &str = "00000000-0000-7000-8000-000000000002";

/// An empty schema in the shared stack's database, and a URL whose connections see nothing else.
fn empty_schema(name: &str) -> String {
    let stack = Stack::shared();
    stack.sql().rows(&format!("create schema {name}"), &[]);
    format!("{}?options=-csearch_path%3D{name}", stack.folder().database_url())
}

fn migrate(folder: &Folder, url: &str) -> Command {
    let mut command = command(folder.path());
    command.arg("migrate").env("DATABASE_URL", url).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn three_migrations_at_once_all_succeed_and_happen_once() {
    let url = empty_schema("three_at_once");
    let folder = Folder::new();
    let runs: Vec<_> = (0..3).map(|_| migrate(&folder, &url).spawn().unwrap()).collect();
    for run in runs {
        let output = run.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let sql = Sql::connect(&url);
    let shared = Stack::shared().sql();
    for table in ["refinery_schema_history", "as1851_rules"] {
        let count = format!("select count(*) from {table}");
        let shipped = if table == "as1851_rules" { " where organisation_id is null" } else { "" };
        assert_eq!(sql.count(&count, &[]), shared.count(&format!("{count}{shipped}"), &[]), "{table}");
    }
    let rules = sql.count("select count(*) from as1851_rules", &[]);
    let different = "select count(*) from (select distinct rule_code, version from as1851_rules) as rules";
    assert_eq!(sql.count(different, &[]), rules);
    assert!(rules >= 13, "at least one for each section: {rules}");
    assert_eq!(sql.count("select count(*) from database_incarnation", &[]), 1);
    let output = migrate(&folder, &url).output().unwrap();
    assert!(output.status.success(), "once more changes nothing");
    assert_eq!(sql.count("select count(*) from as1851_rules", &[]), rules);
}

#[test]
fn what_was_stored_before_paths_and_tokens_had_one_form_goes_on() {
    const MIGRATION: &str = include_str!("../../migrations/V22__one_form_of_paths_and_tokens_by_jti.sql");
    let url = empty_schema("before_one_form");
    assert!(migrate(&Folder::new(), &url).output().unwrap().status.success());
    let sql = Sql::connect(&url);
    let (upper, lower) = ("/v1/tests/sessions/ABC/items", "/v1/tests/sessions/abc/items");
    sql.batch(&format!(
        "alter table refresh_tokens drop column access_jti, drop column access_expires_at;
         alter table token_revocation_list drop column by_jti_alone,
             drop constraint token_revocation_list_organisation_id_jti_key;
         drop index idx_users_email, idx_users_organisation_email;
         create unique index idx_users_email on users (email);
         insert into organisations (id, name) values ('{ORGANISATION}', 'Example');
         insert into users (id, organisation_id, email, password_hash, full_name_encrypted, role)
             select id::uuid, '{ORGANISATION}', id || '@example.com', '', '', 'technician'
             from unnest('{{{USER},{ORGANISATION}}}'::text[]) id;
         insert into idempotency_keys (organisation_id, user_id, method, path, key, fingerprint, status, answer, expires_at)
             select '{ORGANISATION}', '{USER}', 'POST', path, key, sha256(''), 201, '{{}}', now() + interval '1 day'
             from (values ('{upper}', 'a'), ('{upper}', 'b'), ('{lower}', 'b'), ('/v1/x/aBc', 'c'), ('/v1/x/AbC', 'c'))
                 as was (path, key);
         insert into token_revocation_list (id, organisation_id, user_id, jti, expires_at)
             select gen_random_uuid(), '{ORGANISATION}', id, '{USER}', now() + days * interval '1 day'
             from (values ('{USER}'::uuid, 1), ('{ORGANISATION}', 2)) as was (id, days);"
    ));
    sql.batch(&format!("begin; {MIGRATION} commit;"));
    let keys = "select count(*) from idempotency_keys where path = $1 and key = $2";
    for (path, key, count) in
        [(lower, "a", 1), (upper, "a", 0), (lower, "b", 1), (upper, "b", 1), ("/v1/x/abc", "c", 1)]
    {
        assert_eq!(sql.count(keys, &[&path, &key]), count, "{path} {key}");
    }
    let kept = "select count(*) from token_revocation_list where expires_at > now() + interval '1 day'";
    assert_eq!(sql.count(kept, &[]), 1, "the one that lasts longest");
    assert_eq!(sql.count("select count(*) from token_revocation_list", &[]), 1);
}

#[test]
fn a_cursor_from_before_a_restore_is_gone() {
    let url = empty_schema("restored");
    let stack = Stack::start(&[("DATABASE_URL", &url)]);
    let admin = Organisation::register(&stack).admin;
    let buildings: Vec<String> = (0..3).map(|_| new_building(&admin)).collect();
    let cursor = admin.get("/v1/buildings?limit=1").expect(200).text("/next_cursor");
    // As a copy of the database finds itself in another cluster: rows with transaction ids that mean nothing here.
    let sql = Sql::connect(&url);
    sql.rows("update database_incarnation set system_identifier = system_identifier - 1", &[]);
    sql.rows("update buildings set created_xid = '1000000000'", &[]);
    let output = migrate(stack.folder(), &url).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    admin.get(&format!("/v1/buildings?cursor={cursor}")).problem(410, "FIRE-410");
    assert_eq!(admin.get("/v1/buildings").expect(200).data().len(), buildings.len());
}

#[test]
fn a_database_that_this_binary_may_not_serve_is_not_served() {
    let url = empty_schema("of_the_future");
    let folder = Folder::new();
    assert!(migrate(&folder, &url).output().unwrap().status.success());
    Sql::connect(&url).rows("update database_incarnation set oldest_binary_version = 1000", &[]);
    let stack = Stack::launch(&folder, &[("DATABASE_URL", &url)]);
    let answer = eventually("the database is reached", || {
        Some(stack.client().get("/health/ready")).filter(|answer| answer["checks"]["database"] == true)
    });
    assert_eq!(answer.expect(503)["checks"]["migrations"], false);
    stack.client().get("/v1/buildings").problem(503, "FIRE-503-STARTING");
}

#[test]
fn an_appliance_that_runs_is_not_ready_once_a_newer_release_has_taken_the_schema_over() {
    let url = empty_schema("taken_over");
    let stack = Stack::start(&[("DATABASE_URL", &url)]);
    let sql = Sql::connect(&url);
    let oldest: i32 = sql.rows("select oldest_binary_version from database_incarnation", &[])[0].get(0);
    let set_oldest =
        |version: i32| sql.rows("update database_incarnation set oldest_binary_version = $1", &[&version]);
    let ready_when = |fits: bool| {
        eventually("the schema is looked at", || {
            let answer = stack.client().get("/health/ready");
            Some(answer).filter(|answer| answer["checks"]["migrations"] == fits)
        })
    };
    assert_eq!(ready_when(true)["reasons"]["migrations"], Value::Null);
    set_oldest(1000);
    let taken_over = ready_when(false).expect(503);
    let why = "The database's schema is not one that this version serves.";
    assert_eq!(
        (&taken_over["checks"]["database"], taken_over.text("/reasons/migrations").as_str()),
        (&json!(true), why)
    );
    stack.client().get("/health/live").expect(200);
    set_oldest(oldest);
    ready_when(true);
}

#[test]
fn a_database_that_does_not_answer_is_a_failure() {
    let output = migrate(&Folder::new(), NOWHERE).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}

/// Statements that line up behind a migration that waits for a table would wait with it.
#[test]
fn a_migration_that_waits_for_a_table_lets_others_pass_and_tries_again() {
    let url = empty_schema("in_use");
    let folder = Folder::new();
    assert!(migrate(&folder, &url).output().unwrap().status.success());
    let (reader, writer) = (Sql::connect(&url), Sql::connect(&url));
    // One that can be run again, and all behind it; those have to be such as can be run again too, or be undone here.
    reader.rows("delete from refinery_schema_history where version >= 31", &[]);
    writer.batch("set statement_timeout = '20s'");
    reader.batch("begin; lock table session_changes in share mode");
    let running = migrate(&folder, &url).spawn().unwrap();
    eventually("the migration waits", || {
        let waiting =
            "select count(*) from pg_locks where not granted and relation = 'session_changes'::regclass";
        (writer.count(waiting, &[]) > 0).then_some(())
    });
    // It stands behind the migration, as every writer does.
    writer.batch("begin; lock table session_changes in share mode; commit");
    reader.batch("commit");
    let output = running.wait_with_output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("a migration waits for a table that is in use"), "{said}");
    assert_eq!(reader.count("select count(*) from refinery_schema_history where version = 31", &[]), 1);
}

/// Whoever has one of its tables and comes for another would wait in a circle with it, until the database ends one of them.
#[test]
fn a_migration_gives_way_to_whoever_has_what_it_wants_and_wants_what_it_has() {
    let url = empty_schema("in_a_circle");
    let folder = Folder::new();
    assert!(migrate(&folder, &url).output().unwrap().status.success());
    let (sql, other) = (Sql::connect(&url), Sql::connect(&url));
    sql.rows("delete from refinery_schema_history where version >= 32", &[]);
    other.batch("begin; lock table session_changes in access share mode");
    let running = migrate(&folder, &url).spawn().unwrap();
    eventually("the migration waits", || {
        let waiting =
            "select count(*) from pg_locks where not granted and relation = 'session_changes'::regclass";
        (sql.count(waiting, &[]) > 0).then_some(())
    });
    other.batch("lock table organisations in access share mode; commit");
    let output = running.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(sql.count("select count(*) from refinery_schema_history where version = 32", &[]), 1);
}

#[test]
fn people_evidence_and_buildings_from_before_are_numbered_placed_and_found() {
    const MIGRATION: &str = include_str!("../../migrations/V51__people_and_what_lists_are_narrowed_to.sql");
    let url = empty_schema("before_people");
    let folder = Folder::new();
    assert!(migrate(&folder, &url).output().unwrap().status.success());
    let sql = Sql::connect(&url);
    let ids = [ORGANISATION, USER];
    sql.batch(&format!(
        "insert into organisations (id, name) values ('{ORGANISATION}', 'Example');
         insert into users (id, organisation_id, email, password_hash, full_name_encrypted, role, created_at)
             select id::uuid, '{ORGANISATION}', id || '@example.com', '', '', 'technician', '2026-01-01'
             from unnest('{{{USER},{ORGANISATION}}}'::text[]) id;
         insert into buildings (id, organisation_id, site_name, site_address)
             values ('{USER}', '{ORGANISATION}', 'ÓBIDOS  House', '1 Quay Street');
         insert into test_sessions (id, organisation_id, building_id, name, created_by, item_count)
             values ('{USER}', '{ORGANISATION}', '{USER}', 'x', '{USER}', 0);
         insert into evidence_blobs (organisation_id, sha256, size_bytes, storage_key)
             values ('{ORGANISATION}', sha256('x'), 1, 'x');
         insert into evidence (organisation_id, id, session_id, evidence_type, sha256, content_type, uploaded_by)
             values ('{ORGANISATION}', '{USER}', '{USER}', 'photo', sha256('x'), 'image/png', '{USER}');
         update evidence set building_id = null;
         delete from user_details;"
    ));
    sql.batch(&format!("begin; {MIGRATION} commit;"));
    for _ in 0..2 {
        let number = "select count(*) from user_details where id = $1::text::uuid and number = $2";
        assert_eq!(
            ids.map(|id| sql.count(number, &[&id, &(1 + i32::from(id == USER))])),
            [1, 1],
            "by their ids"
        );
        assert_eq!(
            sql.count("select count(*) from evidence where building_id = $1::text::uuid", &[&USER]),
            1
        );
        // The same again changes nothing.
        sql.batch(&format!("begin; {MIGRATION} commit;"));
    }
    let key = "select count(*) from buildings where search_key = E'óbidos house\\n1 quay street'";
    assert_eq!(sql.count(key, &[]), 0);
    assert!(migrate(&folder, &url).output().unwrap().status.success());
    assert_eq!(sql.count(key, &[]), 1, "the program works it out");
}
