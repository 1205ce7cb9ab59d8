//! What an operator sees and does with commands, and what there is to see of a running stack.

use std::fs;
use std::process::Output;
use std::time::{Duration, Instant};

use firemode_runtime::data_dir::EmbeddedDatabase;
use nix::sys::signal::{Signal, kill};

use crate::support::stack::{NOWHERE, command};
use crate::support::{Folder, Site, Stack, eventually};

fn run(folder: &Folder, words: &[&str]) -> Output {
    command(folder.path()).args(words).output().unwrap()
}

/// Exit code, and what was said on both streams.
fn said(folder: &Folder, words: &[&str]) -> (i32, String) {
    let output = run(folder, words);
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), text.into_owned())
}

#[test]
fn status_and_doctor_leave_with_1_while_something_is_not_as_it_should_be() {
    let stack = Stack::start(&[]);
    let folder = stack.folder();
    // A machine that does other things besides is degraded for moments.
    let well = |command: &str| {
        eventually("all is as it should be", || Some(said(folder, &[command])).filter(|(code, _)| *code == 0))
            .1
    };
    well("status");
    let text = well("doctor");
    for subject in [
        "data folder",
        "disk",
        "supervisor",
        "postgres",
        "readiness",
        "database",
        "standbys",
        "schema",
        "backups",
        "defects",
        "evidence",
    ] {
        assert!(text.lines().any(|line| line.contains(subject)), "{subject} is not in {text}");
    }
    assert_eq!(said(folder, &["stop", "worker"]).0, 0);
    let (code, text) = said(folder, &["status"]);
    assert!(code == 1 && text.contains("is not ready"), "{code}: {text}");
    let (code, text) = said(folder, &["doctor"]);
    let mut wrong = text.lines().filter(|line| line.starts_with("WRONG"));
    assert!(code == 1 && wrong.any(|line| line.contains("worker")), "{code}: {text}");
    assert_eq!(said(folder, &["start", "worker"]).0, 0);
    well("status");
}

#[test]
fn what_the_doctor_cannot_reach_is_named_with_what_to_do() {
    let folder = Folder::new();
    let output = command(folder.path()).env("DATABASE_URL", NOWHERE).arg("doctor").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let database = text.lines().find(|line| line.contains("DATABASE_URL")).unwrap_or_default();
    assert!(database.starts_with("WRONG"), "{text}");
    assert!(text.contains("no FireMode runs in"), "{text}");
}

#[test]
fn what_is_done_once_cannot_be_restarted_and_leaves_nothing_behind() {
    let folder = Folder::new();
    let stack = Stack::start_in(&folder, &[]);
    let (code, text) = said(&folder, &["restart", "initdb"]);
    assert_eq!(code, 1);
    assert!(text.contains("what can be restarted: postgres, migrate, ingest, worker, api"), "{text}");
    assert_eq!(said(&folder, &["restart", "postgres"]).0, 0, "the database can still be restarted");
    drop(stack);

    let data = EmbeddedDatabase::of(folder.path()).unwrap().data;
    let draft = data.with_file_name("data.draft.4711");
    fs::create_dir(&draft).unwrap();
    fs::write(draft.join("PG_VERSION"), "16").unwrap();
    let _stack = Stack::start_in(&folder, &[]);
    assert!(!draft.exists(), "what an interrupted initialisation left is still there");
}

#[test]
fn a_data_folder_that_is_removed_under_a_running_stack_is_named() {
    let stack = Stack::start(&[]);
    let folder = stack.folder();
    eventually("the folder is removed", || fs::remove_dir_all(folder.path()).ok());
    for words in ["status", "doctor"] {
        let (code, text) = said(folder, &[words]);
        assert_eq!(code, 1, "{text}");
        let named = format!("FireMode runs as process {}", stack.pid());
        assert!(text.contains(&named) && text.contains("removed"), "{words}: {text}");
    }
    let _ = fs::remove_dir_all(folder.path());
}

#[test]
fn commands_to_a_supervisor_that_stands_still_end() {
    let stack = Stack::start(&[]);
    kill(stack.pid(), Signal::SIGSTOP).unwrap();
    let asked = Instant::now();
    for words in [&["status"][..], &["restart", "api"], &["doctor"]] {
        let (code, text) = said(stack.folder(), words);
        assert!(code == 1 && text.contains("does not answer"), "{words:?}: {code}: {text}");
    }
    assert!(asked.elapsed() < Duration::from_secs(60), "{:?}", asked.elapsed());
    kill(stack.pid(), Signal::SIGCONT).unwrap();
    let is_well = || Some(said(stack.folder(), &["status"])).filter(|(code, _)| *code == 0);
    eventually("it answers again, and all is as it should be", is_well);
}

#[test]
fn one_page_has_the_figures_of_all_processes_and_of_readiness() {
    let site = Site::new();
    let page = String::from_utf8(site.admin.get("/metrics").expect(200).body).unwrap();
    for sample in [
        "firemode_ready{check=\"database\"} 1",
        "firemode_ready{check=\"ingest_service\"} 1",
        "firemode_results_changes_total{process=\"ingest\",standing=\"held\"} ",
        "firemode_results_changes_total{process=\"ingest\",standing=\"quarantined\"} ",
        "firemode_results_changes_total{process=\"ingest\",standing=\"late\"} ",
        "firemode_evidence_bytes_total{process=\"ingest\"} ",
        "process_resident_memory_bytes{process=\"ingest\"} ",
        "process_resident_memory_bytes ",
        "firemode_database_waiting{process=\"ingest\"} ",
        "firemode_ingest_circuit_open 0",
        "firemode_child_open_files{child=\"api\"} ",
        "firemode_child_open_files_max{child=\"postgres\"} ",
        "firemode_child_start_time_seconds{child=\"worker\"} ",
        "firemode_child_cpu_seconds{child=\"ingest\"} ",
        "firemode_disk_free_bytes ",
    ] {
        assert!(page.lines().any(|line| line.starts_with(sample)), "{sample} is not in {page}");
    }
    let families = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect::<Vec<_>>();
    let names: std::collections::BTreeSet<_> = families.iter().map(|line| line.split(' ').next()).collect();
    assert_eq!(names.len(), families.len(), "a family stands in two places");
}

#[test]
fn lines_of_the_database_have_a_time_and_a_level() {
    let stack = Stack::shared();
    let line =
        eventually("the database says something", || stack.logs().find(|event| event["child"] == "postgres"));
    assert_eq!(line["level"], "INFO", "{line}");
    assert!(line["timestamp"].as_str().is_some_and(|time| time.contains('T')), "{line}");
}

#[test]
fn a_log_of_many_requests_can_be_thinned_out() {
    let stack = Stack::start(&[("FIREMODE__LOG__REQUESTS_PERCENT", "0")]);
    let site = Site::on(&stack);
    for _ in 0..20 {
        site.read();
    }
    let lines = stack.logs().count(|event| {
        event["child"] == "api"
            && event["message"].as_str().is_some_and(|text| text.ends_with(" 200"))
            && event["milliseconds"].as_u64().is_some_and(|time| time < 1_000)
    });
    assert_eq!(lines, 0, "{}", stack.logs().about(" 200"));
}
