//! Migrations, in schemas of their own beside the one of the shared stack.

use std::process::{Command, Stdio};

use crate::support::site::new_building;
use crate::support::stack::{NOWHERE, command};
use crate::support::{Folder, Organisation, Sql, Stack, eventually};

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
fn a_database_that_does_not_answer_is_a_failure() {
    let output = migrate(&Folder::new(), NOWHERE).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}
