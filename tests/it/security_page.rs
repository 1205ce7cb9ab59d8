//! docs/security.md and the table of faults name what shows each promise; here it is looked up whether that is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use crate::support::stack::repository_file;

/// Folders from which a file of a crate may be named.
const ROOTS: [&str; 2] = ["", "services"];

const SECURITY: &str = "docs/security.md";
const FAULTS: &str = "tests/chaos/README.md";

/// What stands between backticks on a page.
fn named(page: &str) -> BTreeSet<String> {
    let page = fs::read_to_string(repository_file(page)).unwrap();
    page.lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

/// The source of a module of these tests.
fn source(module: &str) -> Option<String> {
    fs::read_to_string(repository_file(&format!("tests/it/{module}.rs"))).ok()
}

fn has_test(source: &str, name: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    lines.windows(2).any(|pair| pair[0] == "#[test]" && pair[1].starts_with(&format!("fn {name}(")))
}

/// Where a file or a folder is that the page names.
fn find(path: &str) -> Option<PathBuf> {
    ROOTS.map(|root| repository_file(root).join(path)).into_iter().find(|path| path.exists())
}

#[test]
fn every_test_that_the_pages_name_exists() {
    for (page, tests_min) in [(SECURITY, 60), (FAULTS, 15)] {
        let names = named(page);
        let tests: Vec<&str> = names.iter().filter_map(|name| name.strip_prefix("it::")).collect();
        assert!(tests.len() >= tests_min, "{page} names {} tests", tests.len());
        tests.into_iter().filter(|name| !name.is_empty()).for_each(|test| assert_exists(page, test));
    }
}

fn assert_exists(page: &str, test: &str) {
    let (module, name) = test.split_once("::").map_or((test, None), |(module, name)| (module, Some(name)));
    let source = source(module).unwrap_or_else(|| panic!("it::{test}: there is no tests/it/{module}.rs"));
    let exists = name.is_none_or(|name| has_test(&source, name));
    assert!(exists, "{page} names it::{test}, which does not exist");
}

#[test]
fn every_file_that_the_page_names_exists() {
    let is_path = |name: &str| {
        name.contains('/') && !name.starts_with(['/', '.', '$']) && !name.contains([' ', '*', ':'])
    };
    let paths: Vec<String> = named(SECURITY)
        .into_iter()
        .map(|name| name.split("::").next().unwrap_or_default().to_owned())
        .filter(|name| is_path(name) && name.contains("tests/"))
        .collect();
    assert!(!paths.is_empty());
    for path in paths {
        assert!(find(&path).is_some(), "docs/security.md names {path}, which does not exist");
    }
}
