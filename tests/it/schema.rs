//! `data_model.md` says what the database has, all of it and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::Stack;
use crate::support::stack::repository_file;

/// A column: type as PostgreSQL writes it, and whether it may be null.
type Column = (String, bool);

/// What the page says of a table.
#[derive(Debug, Default)]
struct Described {
    columns: BTreeMap<String, Column>,
    indexes: BTreeSet<String>,
}

#[test]
fn every_column_is_described_as_it_is_and_no_other() {
    let described = page();
    let sql = "select c.relname, a.attname, format_type(a.atttypid, a.atttypmod), not a.attnotnull
               from pg_class c join pg_attribute a on a.attrelid = c.oid
               where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and a.attnum > 0
                 and not a.attisdropped";
    let mut found = BTreeMap::<String, BTreeMap<String, Column>>::new();
    for row in Stack::shared().sql().rows(sql, &[]) {
        found.entry(row.get(0)).or_default().insert(row.get(1), (row.get(2), row.get(3)));
    }
    assert!(!found.is_empty());
    let names: Vec<&String> = described.keys().collect();
    assert_eq!(names, found.keys().collect::<Vec<_>>(), "tables on the page, and in the database");
    for (table, columns) in found {
        assert_eq!(described[&table].columns, columns, "columns of {table} on the page, and in the database");
    }
}

#[test]
fn every_index_that_is_described_exists_and_every_one_with_a_name_of_ours_is_described() {
    let sql = "select tablename::text, indexname::text from pg_indexes where schemaname = 'public'";
    let mut found = BTreeMap::<String, BTreeSet<String>>::new();
    for row in Stack::shared().sql().rows(sql, &[]) {
        found.entry(row.get(0)).or_default().insert(row.get(1));
    }
    for (table, described) in page() {
        let found = found.remove(&table).unwrap_or_default();
        let missing: Vec<&String> = described.indexes.difference(&found).collect();
        assert!(missing.is_empty(), "{table} has no {missing:?}");
        let ours = found.iter().filter(|name| name.starts_with("idx_"));
        let unnamed: Vec<&String> = ours.filter(|name| !described.indexes.contains(*name)).collect();
        assert!(unnamed.is_empty(), "the page does not name {unnamed:?}");
    }
}

#[test]
fn every_purpose_is_told_with_the_tables_that_it_reaches() {
    let sql = "select distinct substring(condition from '= ''([a-z_]+)'''), name
               from (select coalesce(qual, with_check) as condition, tablename::text as name from pg_policies
                     where schemaname = 'public' and policyname <> 'operator') as policies
               where condition like '%purpose%'";
    let mut found = BTreeMap::<String, BTreeSet<String>>::new();
    for row in Stack::shared().sql().rows(sql, &[]) {
        found.entry(row.get(0)).or_default().insert(row.get(1));
    }
    assert_eq!(purposes(), found, "purposes and their tables on the page, and in the database");
}

#[test]
fn indexes_that_others_rely_on_have_their_form() {
    let sql = "select indexdef from pg_indexes where schemaname = 'public' and indexname = $1";
    for (name, form) in [
        ("idx_test_sessions_created_at", "(organisation_id, created_at DESC, id DESC)"),
        ("idx_test_sessions_status", "(organisation_id, status, created_at DESC, id DESC)"),
        ("idx_test_sessions_building", "(organisation_id, building_id, created_at DESC, id DESC)"),
        ("idx_audit_user_status", "(organisation_id, user_id, status, created_at DESC, id DESC)"),
        ("idx_vector_clock_gin", "USING gin (vector_clock jsonb_path_ops)"),
        ("idx_active_buildings", "(organisation_id, created_at DESC, id DESC) WHERE is_active"),
    ] {
        let rows = Stack::shared().sql().rows(sql, &[&name]);
        let definition: String = rows.first().unwrap_or_else(|| panic!("there is no {name}")).get(0);
        assert!(definition.ends_with(form), "{definition}");
    }
}

/// The page's purposes with the tables of each, but for the operator's, which are all.
fn purposes() -> BTreeMap<String, BTreeSet<String>> {
    let text = std::fs::read_to_string(repository_file("data_model.md")).unwrap();
    let rows = text.lines().skip_while(|line| !line.starts_with("| purpose |")).skip(2);
    let purpose = |row: &str| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let tables = cells[2].split(", ").map(|name| name.trim_matches('`').to_owned());
        (cells[1].trim_matches('`').to_owned(), tables.collect())
    };
    let named = rows.take_while(|line| line.starts_with('|')).map(purpose);
    named.filter(|(purpose, _)| purpose != "operator").collect()
}

/// Reads the page: a heading for each table, a row for each column, a bullet for each index.
fn page() -> BTreeMap<String, Described> {
    let text = std::fs::read_to_string(repository_file("data_model.md")).unwrap();
    let mut tables = BTreeMap::<String, Described>::new();
    let mut table = String::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("## `") {
            table = name.trim_end_matches('`').to_owned();
            assert!(
                tables.insert(table.clone(), Described::default()).is_none(),
                "{table} is described twice"
            );
        }
        let Some(described) = tables.get_mut(&table) else { continue };
        if let Some(row) = line.strip_prefix("| `") {
            let (name, column) = column(row).unwrap_or_else(|| panic!("{table}: cannot read '{line}'"));
            assert!(described.columns.insert(name, column).is_none(), "{table}: '{line}' is there twice");
        } else if let Some(bullet) = line.strip_prefix("- `") {
            described.indexes.insert(bullet.split('`').next().unwrap_or_default().to_owned());
        }
    }
    tables
}

/// The rest of a row: name, type, null, meaning, where the meaning must not be empty.
fn column(row: &str) -> Option<(String, Column)> {
    let (name, rest) = row.split_once("` | `")?;
    let (kind, rest) = rest.split_once("` | ")?;
    let (null, meaning) = rest.split_once(" | ")?;
    let may_be_null = match null {
        "yes" => true,
        "no" => false,
        _ => return None,
    };
    (meaning.trim_end_matches(" |").len() > 3).then(|| (name.to_owned(), (kind.to_owned(), may_be_null)))
}
