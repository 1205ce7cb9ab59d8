//! `firemode migrate --plan`, and the locks that it knows of: those that PostgreSQL takes when each migration runs.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Output;

use crate::support::stack::{command, repository_file};
use crate::support::{Folder, Sql, Stack};

const LOCKS: &str = "migrations/locks.csv";

/// From the weakest to the strongest. Weaker ones are in nobody's way.
const MODES: [(&str, &str); 6] = [
    ("RowExclusiveLock", "row exclusive"),
    ("ShareUpdateExclusiveLock", "share update exclusive"),
    ("ShareLock", "share"),
    ("ShareRowExclusiveLock", "share row exclusive"),
    ("ExclusiveLock", "exclusive"),
    ("AccessExclusiveLock", "access exclusive"),
];

/// An empty schema of the shared stack's database, and a URL whose connections see nothing else.
fn empty_schema(name: &str) -> String {
    let stack = Stack::shared();
    stack.sql().rows(&format!("create schema {name}"), &[]);
    format!("{}?options=-csearch_path%3D{name}", stack.folder().database_url())
}

/// Version and text of each migration, in the order in which they run.
fn migrations() -> BTreeMap<i32, String> {
    let files = fs::read_dir(repository_file("migrations")).unwrap().map(|entry| entry.unwrap().path());
    let of_file = |path: PathBuf| {
        let name = path.file_name()?.to_str()?;
        let version = name.strip_prefix('V')?.split_once("__")?.0.parse().ok()?;
        Some((version, fs::read_to_string(&path).unwrap()))
    };
    files.filter_map(of_file).collect()
}

/// A table as a transaction sees it.
struct Table {
    /// Another one where it was written again.
    file: u32,
    /// How often this connection has read all of it.
    scans: i64,
}

fn tables(sql: &Sql) -> BTreeMap<String, Table> {
    let present = "select c.relname::text, pg_relation_filenode(c.oid), s.seq_scan
                   from pg_class c join pg_stat_xact_user_tables s on s.relid = c.oid
                   where c.relnamespace = current_schema()::regnamespace";
    let table = |row: &tokio_postgres::Row| (row.get(0), Table { file: row.get(1), scans: row.get(2) });
    sql.rows(present, &[]).iter().map(table).collect()
}

/// What the present transaction has locked of the tables that were there before, and has read or written of them as a whole.
fn locks(sql: &Sql, before: &BTreeMap<String, Table>) -> Vec<String> {
    let held = "select c.relname::text, array_agg(l.mode) from pg_locks l
                join pg_class c on c.oid = l.relation and c.relnamespace = current_schema()::regnamespace and c.relkind = 'r'
                where l.pid = pg_backend_pid() and l.granted
                group by c.relname order by c.relname collate \"C\"";
    let after = tables(sql);
    let line = |row: &tokio_postgres::Row| {
        let (name, modes): (String, Vec<String>) = (row.get(0), row.get(1));
        let (before, after) = (before.get(&name)?, after.get(&name)?);
        let (_, mode) = MODES.iter().rfind(|(mode, _)| modes.iter().any(|held| held == mode))?;
        let work = match before {
            Table { file, .. } if *file != after.file => "rewrites",
            Table { scans, .. } if *scans != after.scans => "reads",
            _ => "catalogue",
        };
        Some(format!("{name},{mode},{work}"))
    };
    sql.rows(held, &[]).iter().filter_map(line).collect()
}

#[test]
fn the_locks_of_each_migration_are_those_that_the_database_takes() {
    let sql = Sql::connect(&empty_schema("locks_of_migrations"));
    let mut found = "version,table,lock,work\n".to_owned();
    for (version, text) in migrations() {
        sql.batch("begin");
        let before = tables(&sql);
        sql.batch(&text);
        locks(&sql, &before).iter().for_each(|lock| found += &format!("{version},{lock}\n"));
        sql.batch("commit");
    }
    let file = repository_file(LOCKS);
    if std::env::var_os("FIREMODE_WRITE_DOCS").is_some() {
        fs::write(&file, &found).unwrap();
    }
    assert_eq!(
        fs::read_to_string(file).unwrap(),
        found,
        "{LOCKS} is not what the migrations do; `FIREMODE_WRITE_DOCS=1 cargo test --test it migration_plan` writes it"
    );
}

fn migrate(url: &str, args: &[&str]) -> Output {
    let folder = Folder::new();
    command(folder.path()).arg("migrate").args(args).env("DATABASE_URL", url).output().unwrap()
}

/// What a plan prints, and its exit code.
fn plan(url: &str) -> (String, Option<i32>) {
    let Output { status, stdout, stderr } = migrate(url, &["--plan"]);
    assert_eq!(String::from_utf8_lossy(&stderr), "");
    (String::from_utf8(stdout).unwrap(), status.code())
}

#[test]
fn a_plan_says_what_would_be_locked_and_changes_nothing() {
    let url = empty_schema("planned");
    let (text, code) = plan(&url);
    assert_eq!(code, Some(5), "{text}");
    assert!(text.contains("1 organisations and users"), "{text}");
    assert!(!text.contains("exclusive"), "there is no table yet: {text}");
    let sql = Sql::connect(&url);
    assert_eq!(tables(&sql).len(), 0);

    assert!(migrate(&url, &[]).status.success());
    let (text, code) = plan(&url);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("nothing would run"), "{text}");

    let behind = "select coalesce(max(version), 0)::bigint from refinery_schema_history";
    sql.rows("delete from refinery_schema_history where version >= 31", &[]);
    let (writer, version) = (Sql::connect(&url), sql.count(behind, &[]));
    // Somebody is at work; a plan neither waits for them nor is in their way.
    writer.batch("begin; lock table session_changes in row exclusive mode");
    let (text, code) = plan(&url);
    writer.batch("commit");
    assert_eq!(code, Some(5), "{text}");
    let line = |beginning: &str, table: &str| {
        let is_it = |line: &&str| line.starts_with(beginning) && line.contains(&format!(" {table} "));
        text.lines().find(is_it).unwrap_or_else(|| panic!("{beginning} {table}: {text}"))
    };
    assert!(line("31 ", "session_changes").contains("share update exclusive  nobody"), "{text}");
    let index = line("32 ", "session_changes");
    assert!(index.contains("access exclusive") && index.contains("readers and writers"), "{index}");
    assert!(index.contains("reads all rows"), "an index is made: {index}");
    assert_eq!(sql.count(behind, &[]), version, "nothing was run");
}

#[test]
fn a_plan_of_a_table_that_somebody_holds_says_so_soon() {
    let url = empty_schema("held_while_planned");
    assert!(migrate(&url, &[]).status.success());
    let sql = Sql::connect(&url);
    sql.batch("delete from refinery_schema_history where version >= 31");
    sql.batch("begin; lock table session_changes in access exclusive mode");
    let output = migrate(&url, &["--plan"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("busy"), "{output:?}");
}
