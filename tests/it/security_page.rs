//! docs/security.md names what shows each promise; here it is looked up whether that is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use crate::support::stack::repository_file;

/// Folders from which a file of a crate may be named.
const ROOTS: [&str; 2] = ["", "services"];

/// What stands between backticks on the page.
fn named() -> BTreeSet<String> {
    let page = fs::read_to_string(repository_file("docs/security.md")).unwrap();
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
fn every_test_that_the_page_names_exists() {
    let tests: Vec<String> = named()
        .iter()
        .filter_map(|name| name.strip_prefix("it::"))
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    assert!(tests.len() >= 60, "the page names {} tests", tests.len());
    for test in tests {
        let (module, name) =
            test.split_once("::").map_or((test.as_str(), None), |(module, name)| (module, Some(name)));
        let source = source(module).unwrap_or_else(|| panic!("it::{test}: there is no tests/it/{module}.rs"));
        assert!(
            name.is_none_or(|name| has_test(&source, name)),
            "docs/security.md names it::{test}, which does not exist"
        );
    }
}

#[test]
fn every_file_that_the_page_names_exists() {
    let is_path = |name: &str| {
        name.contains('/') && !name.starts_with(['/', '.', '$']) && !name.contains([' ', '*', ':'])
    };
    let paths: Vec<String> = named()
        .into_iter()
        .map(|name| name.split("::").next().unwrap_or_default().to_owned())
        .filter(|name| is_path(name) && name.contains("tests/"))
        .collect();
    assert!(!paths.is_empty());
    for path in paths {
        assert!(find(&path).is_some(), "docs/security.md names {path}, which does not exist");
    }
}
