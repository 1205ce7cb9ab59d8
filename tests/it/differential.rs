//! What FireMode makes of several devices' work, beside the official JavaScript library of Automerge.

use std::process::Command;

use crate::support::Stack;
use crate::support::stack::repository_file;

#[test]
fn histories_of_several_devices_merge_as_in_the_javascript_library() {
    let output = Command::new("node")
        .arg(repository_file("tests/differential/differential.mjs"))
        .args(["60", "103"])
        .env("FIREMODE_BASE_URL", Stack::shared().base_url())
        .output()
        .expect("Node 20 or later is installed; ./run.sh test sees to it");
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "{said}");
}
