//! The whole path with curl and the official JavaScript library of Automerge.

use std::process::Command;

use crate::support::Stack;
use crate::support::stack::repository_file;

#[test]
fn the_walk_through_passes() {
    walk_through(Stack::shared());
}

#[test]
fn it_passes_where_no_statement_is_prepared() {
    walk_through(&Stack::start(&[("FIREMODE__DATABASE__PREPARED_STATEMENTS", "false")]));
}

fn walk_through(stack: &Stack) {
    let modules = repository_file("tests/walkthrough/node_modules/@automerge/automerge");
    let has_node = Command::new("node").arg("--version").output().is_ok_and(|output| output.status.success());
    assert!(
        has_node && modules.is_dir(),
        "this test needs Node 20 or later, and `npm ci` in tests/walkthrough; ./run.sh test installs both"
    );
    let output = Command::new(repository_file("tests/walkthrough/walkthrough.sh"))
        .env("FIREMODE_BASE_URL", stack.base_url())
        .output()
        .expect("bash can be started");
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
