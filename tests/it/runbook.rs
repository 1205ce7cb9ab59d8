//! The commands of the runbook work as they stand.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Output;

use crate::support::stack::{command, repository_file};
use crate::support::wait::{PATIENCE, within};
use crate::support::{Folder, Stack};

/// The blocks of a page that are for a shell, with the lines that they begin on.
fn blocks(text: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut open = None;
    for (number, line) in (1..).zip(text.lines()) {
        match (&mut open, line.trim()) {
            (None, "```sh") => open = Some((number + 1, String::new())),
            (Some(_), "```") => blocks.extend(open.take()),
            (Some((_, code)), line) => *code += &format!("{line}\n"),
            (None, _) => {}
        }
    }
    blocks
}

#[test]
fn every_command_of_the_runbook_runs() {
    let stack = Stack::start(&[]);
    let tools = Folder::new();
    symlink(env!("CARGO_BIN_EXE_firemode"), tools.path().join("firemode")).unwrap();
    let path = format!("{}:{}", tools.path().display(), std::env::var("PATH").unwrap());
    let firemode = command(stack.folder().path());
    let run = |code: &str| -> Output {
        let mut bash = std::process::Command::new("bash");
        bash.args(["-euo", "pipefail", "-c", code]).env_clear();
        bash.envs(firemode.get_envs().filter_map(|(name, value)| Some((name, value?))));
        bash.env("PATH", &path).env("DATABASE_URL", stack.folder().database_url()).output().unwrap()
    };
    for page in fs::read_dir(repository_file("docs/runbook")).unwrap() {
        let page = page.unwrap().path();
        let blocks = blocks(&fs::read_to_string(&page).unwrap());
        assert!(!blocks.is_empty(), "{} has no commands", page.display());
        for (line, code) in blocks {
            let mut last = None;
            // A busy machine is not ready for moments.
            let works = || last.insert(run(&code)).status.success().then_some(());
            if within(PATIENCE / 4, works).is_none() {
                panic!("{} line {line}: {code}{last:?}", page.display());
            }
        }
    }
}
