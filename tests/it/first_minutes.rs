//! What somebody meets who has just started FireMode.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::stack::{command, repository_file};
use crate::support::{Folder, Stack};

/// Runs `run.sh` over this build, for the shared stack.
fn run_sh(args: &[&str]) -> Output {
    let target = Folder::new();
    std::fs::create_dir(target.path().join("release")).unwrap();
    symlink(env!("CARGO_BIN_EXE_firemode"), target.path().join("release/firemode")).unwrap();
    Command::new(repository_file("run.sh"))
        .args(args)
        .env("CARGO_TARGET_DIR", target.path())
        .env("FIREMODE_DATA_DIR", Stack::shared().folder().path())
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The environment of a person who has set nothing.
fn bare(folder: &Path) -> Command {
    let mut command = command(folder);
    command.env_remove("PORT");
    command
}

#[test]
fn run_sh_passes_on_what_the_program_can_do() {
    let status = run_sh(&["status", "--json"]);
    assert!(status.status.success(), "{}", said(&status));
    let shown: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(shown["ready"], true);
    for args in [&["logs", "api"][..], &["check"], &["keys", "new", "jwt"], &["jobs", "list"], &["openapi"]] {
        let output = run_sh(args);
        assert!(output.status.success(), "{args:?}: {}", said(&output));
        assert!(!output.stdout.is_empty(), "{args:?}");
    }
    assert_eq!(run_sh(&["start", "nobody"]).status.code(), Some(1), "a process of a FireMode that runs");
    for args in [&["statsu"][..], &["build", "now"]] {
        assert_eq!(run_sh(args).status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn seed_finds_the_running_firemode_whatever_its_port() {
    let stack = Stack::shared();
    let output = command(stack.folder().path()).arg("seed").output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains(&format!("Sign in at {}", stack.base_url())), "{}", said(&output));
}

#[test]
fn a_development_answers_this_machine_alone_unless_it_has_to_be_reached() {
    let host = |variables: &[(&str, &str)]| {
        let folder = Folder::new();
        let output = bare(folder.path()).arg("check").envs(variables.iter().copied()).output().unwrap();
        let text = said(&output);
        let line = text.lines().find(|line| line.contains(" server.host = ")).map(str::to_owned);
        line.unwrap_or(text).rsplit(' ').next().unwrap_or_default().to_owned()
    };
    let is_container = ["/.dockerenv", "/run/.containerenv"].iter().any(|file| Path::new(file).exists());
    assert_eq!(host(&[]), if is_container { "0.0.0.0" } else { "127.0.0.1" });
    assert_eq!(host(&[("PORT", "8080")]), "0.0.0.0");
    assert_eq!(host(&[("REPL_ID", "x")]), "0.0.0.0");
    assert_eq!(host(&[("PORT", "8080"), ("FIREMODE__SERVER__HOST", "127.0.0.1")]), "127.0.0.1");
}

#[test]
fn the_banner_says_who_is_answered_and_why() {
    for (variables, expected) in [
        (&[("PORT", "0")][..], "other machines too, because PORT is set"),
        (
            &[("FIREMODE__SERVER__PORT", "0"), ("FIREMODE__SERVER__HOST", "127.0.0.1")],
            "this machine alone, because server.host says so",
        ),
    ] {
        let folder = Folder::new();
        let mut command = bare(folder.path());
        command.env("FIREMODE__LOG__FORMAT", "text").envs(variables.iter().copied());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let line = lines.into_iter().find(|line| line.contains("    answers  "));
        kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).unwrap();
        child.wait().unwrap();
        let line = line.expect("the banner is printed");
        assert!(line.contains(expected), "{line}");
    }
}

#[test]
fn a_browser_is_shown_a_page_and_a_program_json() {
    let client = Stack::shared().client();
    let page =
        client.request("GET", "/").header("accept", "text/html,application/xhtml+xml,*/*;q=0.8").send();
    let page = page.expect(200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let text = String::from_utf8_lossy(&page.body).into_owned();
    for part in ["<h1>FireMode", "It is running.", "href=\"/docs\"", "href=\"/health/ready\""] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let shown = client.get("/").expect(200);
    assert_eq!(shown["docs"], "/docs");
    assert!(shown.header("vary").to_lowercase().contains("accept"));
}
