//! The documentation's examples work as they stand.

use std::process::Command;

use crate::support::Stack;
use crate::support::stack::repository_file;

#[test]
fn every_example_of_the_api_documentation_runs() {
    let output = Command::new("node")
        .arg(repository_file("tests/docs/run_examples.mjs"))
        .arg(repository_file("docs/api.md"))
        .env("FIREMODE_BASE_URL", Stack::shared().base_url())
        .env("JWT_SECRET_KEY", Stack::shared().folder().secret("jwt_secret_key"))
        .output()
        .expect("Node 20 or later is installed; ./run.sh test sees to it");
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "{said}");
}
