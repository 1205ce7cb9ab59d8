//! `docs/adding-an-aggregate.md` says where an aggregate is written down: each place that it names is there, and so is what it says of
//! it, and every aggregate that there is stands in each of them.

use std::collections::BTreeSet;
use std::fs;

use crate::support::Stack;
use crate::support::stack::repository_file;

const PAGE: &str = "docs/adding-an-aggregate.md";

fn read(path: &str) -> String {
    fs::read_to_string(repository_file(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The first and second cells of each row of the page's tables.
fn rows(page: &str) -> impl Iterator<Item = (&str, &str)> {
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    rows.map(|(path, said)| (path, said.trim_end_matches(" |")))
}

#[test]
fn every_place_is_there_with_what_is_said_of_it() {
    let page = read(PAGE);
    let mut checked = 0;
    for (path, said) in rows(&page) {
        let text = read(path);
        let (files, words): (Vec<&str>, Vec<&str>) =
            quoted(said).partition(|word| word.contains('/') && repository_file(word).is_file());
        let texts: Vec<String> = files.into_iter().map(read).chain([text]).collect();
        for word in words {
            // A macro is declared without its mark, and a type stands without its arguments.
            let name = word.split(['!', '<']).next().unwrap();
            assert!(texts.iter().any(|text| text.contains(name)), "{PAGE}: {path} says nothing of `{word}`");
            checked += 1;
        }
    }
    assert!(checked > 40, "{checked}");
    for path in quoted(&page).filter(|word| word.contains('/') && word.contains('.')) {
        assert!(repository_file(path).exists(), "{PAGE} names {path}");
    }
}

/// The aggregates: the noun of each, its table, and the file of its SQL.
fn aggregates() -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    for handlers in ["services/api/src/handlers/buildings.rs", "services/api/src/handlers"] {
        for (path, text) in sources(handlers) {
            let Some(rest) = text.split("impl Object for ").nth(1) else { continue };
            let name = rest.split(' ').next().unwrap().to_owned();
            let noun = quoted_text(rest, "NOUN: &'static str = ");
            found.push((name, noun, path));
        }
    }
    found.sort();
    found.dedup();
    let tables = sources("services/storage/src");
    let table = |(name, noun, _): (String, String, String)| {
        let of = format!("impl Table for {name} ");
        let (path, text) = tables.iter().find(|(_, text)| text.contains(&of)).unwrap();
        let table = quoted_text(text.split(of.as_str()).nth(1).unwrap(), "NAME: &'static str = ");
        (noun, table, path.clone())
    };
    // The tenant itself is one of a kind: it is in no list, and registering makes it.
    found.retain(|(_, noun, _)| noun != "organisation");
    found.into_iter().map(table).collect()
}

fn quoted_text(text: &str, before: &str) -> String {
    text.split(before).nth(1).unwrap().split('"').nth(1).unwrap().to_owned()
}

/// Every Rust file in a folder and below, with its path in the repository.
fn sources(path: &str) -> Vec<(String, String)> {
    let place = repository_file(path);
    if place.is_file() {
        return vec![(path.to_owned(), read(path))];
    }
    let entries = fs::read_dir(place).unwrap().map(|entry| entry.unwrap().file_name());
    let below = entries.map(|name| format!("{path}/{}", name.to_str().unwrap()));
    below
        .filter(|path| path.ends_with(".rs") || repository_file(path).is_dir())
        .flat_map(|path| sources(&path))
        .collect()
}

#[test]
fn every_aggregate_stands_in_every_place() {
    let aggregates = aggregates();
    let nouns: BTreeSet<&str> = aggregates.iter().map(|(noun, _, _)| noun.as_str()).collect();
    assert!(nouns.is_superset(&BTreeSet::from(["asset", "building", "session"])), "{nouns:?}");
    let seed: String = sources("services/operator/src/seed").into_iter().map(|(_, text)| text).collect();
    let handlers: String = sources("services/api/src/handlers").into_iter().map(|(_, text)| text).collect();
    for (noun, table, sql) in &aggregates {
        let module = sql.rsplit('/').next().unwrap().trim_end_matches(".rs");
        let create = format!("\"{noun}.create\"");
        for (place, text, wanted) in [
            ("data_model.md", read("data_model.md"), format!("## `{table}`")),
            (
                "services/storage/src/lib.rs",
                read("services/storage/src/lib.rs"),
                format!("pub mod {module};"),
            ),
            (
                "services/api/src/docs/mod.rs",
                read("services/api/src/docs/mod.rs"),
                format!("(\"{noun}_id\", "),
            ),
            ("tests/it/access.csv", read("tests/it/access.csv"), format!("/{module}/{{")),
            ("docs/api.md", read("docs/api.md"), format!("/{module}/{{")),
            ("the handlers", handlers.clone(), create.clone()),
            ("tests/it/audit.rs", read("tests/it/audit.rs"), create),
            ("the seed", seed.clone(), format!("/{module}")),
        ] {
            assert!(text.contains(&wanted), "{place} does not have {wanted}: see {PAGE}");
        }
    }
}

#[test]
fn every_tenants_table_of_the_migrations_is_described_and_protected() {
    let sql = Stack::shared().sql();
    let protected = "select relname::text from pg_class where relnamespace = 'public'::regnamespace and relforcerowsecurity";
    let protected: BTreeSet<String> = sql.rows(protected, &[]).iter().map(|row| row.get(0)).collect();
    let page = read("data_model.md");
    let mut found = 0;
    for entry in fs::read_dir(repository_file("migrations")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        for table in text.split("create table ").skip(1) {
            let (name, body) = table.split_once(" (").unwrap();
            let name = name.trim_start_matches("if not exists ");
            if !body.split(");\n").next().unwrap().contains("organisation_id") {
                continue;
            }
            assert!(page.contains(&format!("## `{name}`\n")), "data_model.md does not describe {name}");
            assert!(protected.contains(name), "{name} has no row-level security");
            found += 1;
        }
    }
    assert!(found > 15, "{found}");
}
