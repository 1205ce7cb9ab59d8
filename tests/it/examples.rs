//! The documentation's examples work as they stand.

use std::process::Command;

use crate::support::Stack;
use crate::support::stack::repository_file;

/// A script of tests/docs works against the shared stack.
fn works(script: &str, file: &str) {
    let output = Command::new("node")
        .arg(repository_file(script))
        .arg(repository_file(file))
        .env("FIREMODE_BASE_URL", Stack::shared().base_url())
        .env("JWT_SECRET_KEY", Stack::shared().folder().secret("jwt_secret_key"))
        .output()
        .expect("Node 20 or later is installed; ./run.sh test sees to it");
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "{said}");
}

#[test]
fn every_example_of_the_api_documentation_runs() {
    works("tests/docs/run_examples.mjs", "docs/api.md");
}

#[test]
fn the_client_for_pages_renews_tokens_keeps_a_queue_and_tries_again() {
    works("tests/docs/browser.mjs", "docs/examples/browser.mjs");
}
