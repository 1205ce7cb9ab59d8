//! The catalogue of errors, and the page that is made of it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use firemode_web::{CATALOGUE, Code};

/// Set, this test writes the page instead of comparing it.
const WRITE: &str = "FIREMODE_WRITE_DOCS";

#[test]
fn the_page_says_what_the_code_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors.md");
    let page = page();
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&path, &page).expect("docs/errors.md can be written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(written, page, "{WRITE}=1 cargo test -p firemode-web --test catalogue writes docs/errors.md");
}

#[test]
fn each_code_is_there_once() {
    let codes: BTreeSet<String> = CATALOGUE.iter().map(Code::to_string).collect();
    assert_eq!(codes.len(), CATALOGUE.len());
}

fn page() -> String {
    let mut page = String::from(
        "# Errors\n\n\
         Every error has a code. Programs decide by it; `detail` is for people and may change. `type` of an error leads to its entry\n\
         here (`/docs/errors` of a running FireMode). A status without a reason is every other cause with that status.\n\n\
         Made from `services/web/src/catalogue.rs`; `FIREMODE_WRITE_DOCS=1 cargo test -p firemode-web --test catalogue` writes it.\n",
    );
    for code in CATALOGUE {
        let retry = if code.is_retryable() { " Worth a retry." } else { "" };
        let _ = write!(page, "\n## {code}\n\n{} {}{retry}\n", code.meaning(), code.remedy());
    }
    page
}
