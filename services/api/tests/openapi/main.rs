//! `docs/openapi.json`, from which clients are made, against the code, and what a change of it means to clients.

mod breaks;
mod rules;
mod schemas;

use std::fs;
use std::path::Path;

use serde_json::Value;

/// `1` writes the document where no client breaks by the change; `breaking` writes it all the same.
const WRITE: &str = "FIREMODE_WRITE_DOCS";

#[test]
fn the_committed_document_is_what_the_code_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let document = firemode_api::openapi().to_pretty_json().expect("the document is JSON") + "\n";
    let committed = fs::read_to_string(&path).unwrap_or_default();
    if committed == document {
        return;
    }
    let breaks = match serde_json::from_str(&committed) {
        Ok(old) => breaks::between(&old, &parsed(&document)).into_iter().collect::<Vec<_>>().join("\n  "),
        Err(_) => String::new(),
    };
    let write = std::env::var(WRITE).unwrap_or_default();
    if write == "breaking" || (write == "1" && breaks.is_empty()) {
        return fs::write(&path, document).expect("docs/openapi.json can be written");
    }
    let command = "cargo test -p firemode-api --test openapi writes docs/openapi.json";
    assert!(!breaks.is_empty(), "no client breaks by this change; {WRITE}=1 {command}");
    panic!("clients break by this change; if that is meant, {WRITE}=breaking {command}:\n  {breaks}");
}

fn parsed(document: &str) -> Value {
    serde_json::from_str(document).expect("the document is JSON")
}
