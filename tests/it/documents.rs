//! The documents: their links lead somewhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The project's own documents in Markdown.
fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders =
        ["", "docs", "docs/decisions", "docs/runbook", "load", "tests/chaos"].map(|folder| root.join(folder));
    let files =
        folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect()
}

/// What `](…)` of a text names.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0))
}

/// The anchors that a page's headings make, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let anchor = |heading: &str| {
        let kept = heading.trim().to_lowercase().replace(' ', "-");
        kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect()
    };
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#'))).collect()
}

#[test]
fn every_link_between_the_documents_leads_somewhere() {
    let mut looked_at = 0;
    for page in documents() {
        let text = fs::read_to_string(&page).unwrap();
        for link in links(&text).filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            assert!(target.exists(), "{}: {link} leads nowhere", page.display());
            if !anchor.is_empty() {
                let there = anchors(&fs::read_to_string(&target).unwrap()).contains(anchor);
                assert!(there, "{}: {link} leads to no heading", page.display());
            }
            looked_at += 1;
        }
    }
    assert!(looked_at > 60, "{looked_at}");
}

/// All text of the sources and migrations below a folder.
fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text.push_str(&sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "sql") {
            text.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
    text
}

#[test]
fn every_name_in_the_glossary_is_in_the_sources() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text: String = ["services", "src", "migrations"].map(|folder| sources(&root.join(folder))).concat();
    let is_of_word = |c: char| c.is_alphanumeric() || c == '_';
    let words: BTreeSet<&str> = text.split(|c| !is_of_word(c)).collect();
    let glossary = fs::read_to_string(root.join("docs/glossary.md")).unwrap();
    let quoted = glossary.split('`').skip(1).step_by(2);
    let names: Vec<&str> = quoted
        .filter(|code| code.chars().all(|c| is_of_word(c) || c == ':'))
        .flat_map(|code| code.split("::"))
        .collect();
    assert!(names.len() > 80, "{}", names.len());
    let missing: Vec<&&str> = names.iter().filter(|name| !words.contains(**name)).collect();
    assert!(missing.is_empty(), "the glossary names what is not there: {missing:?}");
}
