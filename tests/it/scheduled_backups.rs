//! Backups that are made by themselves, and what is seen of those that fail.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::demo::{seed, sign_in};
use crate::support::stack::command;
use crate::support::{Folder, Stack, eventually};

/// Far from now in either direction: the one that was missed is made up for, and no second one.
const YEARLY: (&str, &str) = ("FIREMODE__BACKUP__SCHEDULE", "0 0 1 1 *");

fn names(folder: &Path) -> Vec<String> {
    let entries = folder.read_dir().into_iter().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// What a command says to somebody with the settings of the stack.
fn said(stack: &Stack, words: &[&str]) -> (Option<i32>, String) {
    let url = stack.folder().database_url();
    let output =
        command(stack.folder().path()).args(words).envs([YEARLY]).env("DATABASE_URL", url).output().unwrap();
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

/// A figure of the public metrics.
fn figure(stack: &Stack, name: &str) -> Option<f64> {
    let metrics = String::from_utf8(sign_in(stack).get("/metrics").expect(200).body).unwrap();
    metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

#[test]
fn backups_are_made_by_their_schedule_and_some_of_them_are_kept() {
    let folder = Folder::new();
    let backups = folder.path().join("backups");
    fs::create_dir(&backups).unwrap();
    for old in ["firemode-20200101T000000Z.tar", "firemode-20200102T000000Z.tar", "mine.tar"] {
        fs::write(backups.join(old), "not read").unwrap();
    }
    // As an earlier release left it when it was killed.
    fs::write(backups.join("firemode-20200103T000000Z.tar.17.partial"), "secrets").unwrap();
    let stack = Stack::start_in(&folder, &[YEARLY, ("FIREMODE__BACKUP__KEEP", "2")]);
    let kept = eventually("a backup is made and the oldest goes", || {
        let names = names(&backups);
        (names.len() == 3 && names[0] == "firemode-20200102T000000Z.tar").then_some(names)
    });
    assert_eq!(kept[2], "mine.tar");
    let file = backups.join(&kept[1]);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    seed(&stack);
    let age = eventually("its age is shown", || figure(&stack, "firemode_backup_age_seconds"));
    assert!((0.0..600.0).contains(&age), "{age}");
    let shown = "select result ->> 'name' from jobs where kind = 'backup'";
    assert_eq!(stack.sql().rows(shown, &[])[0].get::<_, String>(0), kept[1]);
    let (_, text) = said(&stack, &["doctor"]);
    assert!(text.lines().any(|line| line.starts_with("well") && line.contains("is 0 hours old")), "{text}");
    // Nothing is due, whoever asks.
    let looked = "select finished_at::text from jobs where kind = 'backup' and state = 'waiting'";
    let last_look = || stack.sql().rows(looked, &[]).first().map(|row| row.get::<_, String>(0));
    let before = eventually("it has ended", last_look);
    stack.sql().rows("update jobs set due_at = now() where kind = 'backup'", &[]);
    eventually("it looks again", || last_look().filter(|look| *look != before));
    assert_eq!(names(&backups), kept);
    let elsewhere = Folder::new();
    let restored = command(elsewhere.path()).arg("restore").arg(&file).output().unwrap();
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
}

#[test]
fn a_backup_that_fails_is_seen_wherever_somebody_looks_and_made_once_it_can_be() {
    let stack = Stack::start(&[]);
    seed(&stack);
    let row = stack.sql().rows("select storage_key from evidence_blobs limit 1", &[]);
    let key: String = row[0].get(0);
    let stored = stack.folder().path().join("evidence").join(&key);
    let bytes = fs::read(&stored).unwrap();
    fs::write(&stored, b"other bytes").unwrap();
    let folder = stack.folder().clone();
    drop(stack);
    let stack = Stack::start_in(&folder, &[YEARLY]);
    let why = format!("evidence {key} is damaged");
    let listed = eventually("it fails", || {
        let (_, text) = said(&stack, &["jobs", "list", "--kind", "backup"]);
        text.contains(&why).then_some(text)
    });
    assert!(listed.contains("waiting") || listed.contains("running"), "{listed}");
    // It is tried again now and then, so that it waits most of the time.
    eventually("the metrics show it", || {
        figure(&stack, "firemode_jobs_retrying{kind=\"backup\"}").filter(|count| *count > 0.0)
    });
    assert_eq!(figure(&stack, "firemode_backup_age_seconds"), None);
    let (code, text) = said(&stack, &["doctor"]);
    let wrong = |line: &str| line.starts_with("WRONG") && line.contains("backups") && line.contains(&why);
    assert!(code == Some(1) && text.lines().any(wrong), "{text}");
    assert!(names(&folder.path().join("backups")).is_empty(), "a part of one is left");

    fs::write(&stored, bytes).unwrap();
    let id: String = stack.sql().rows("select id::text from jobs where kind = 'backup'", &[])[0].get(0);
    eventually("it is made", || {
        said(&stack, &["jobs", "retry", &id]);
        figure(&stack, "firemode_backup_age_seconds")
    });
    assert_eq!(names(&folder.path().join("backups")).len(), 1);
    eventually("nothing is wrong any more", || {
        said(&stack, &["doctor"])
            .1
            .lines()
            .any(|line| line.starts_with("well") && line.contains("backups"))
            .then_some(())
    });
}

/// With a bucket as `it::evidence_stores` wants it.
#[test]
#[ignore = "needs a server that speaks S3, named by FIREMODE_TEST_S3_URL"]
fn backups_are_kept_in_the_store_of_the_evidence() {
    let url = std::env::var("FIREMODE_TEST_S3_URL").expect("FIREMODE_TEST_S3_URL names a bucket");
    let url = url.replacen('?', &format!("/{}?", uuid::Uuid::now_v7()), 1);
    let folder = Folder::new();
    let settings = [
        ("FIREMODE__EVIDENCE__URL", url.as_str()),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("FIREMODE__BACKUP__PLACE", "store"),
        ("FIREMODE__BACKUP__KEEP", "1"),
        YEARLY,
    ];
    let stack = Stack::start_in(&folder, &settings);
    seed(&stack);
    let name = "select result ->> 'name' from jobs where kind = 'backup'";
    let name = || stack.sql().rows(name, &[]).first().and_then(|row| row.get::<_, Option<String>>(0));
    let first = eventually("the first is made", name);
    stack
        .sql()
        .batch("update jobs set due_at = now(), result = null where kind = 'backup' and state = 'waiting'");
    let second = eventually("a second is made", name);
    assert_ne!(first, second);
    assert!(names(&folder.path().join("backups")).is_empty());
}
