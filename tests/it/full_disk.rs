//! A disk that is really full: the database, the evidence and the keys of an appliance lie on it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::site::operation;
use crate::support::{Answer, Folder, Form, Site, Stack, eventually, new_key};

/// Room for the database and for what the test stores.
const DISK: &str = "size=320m,mode=755";

/// What one result brings, so that the database soon has to make a file longer.
const REMARK_BYTES: usize = 8_000;

/// A disk of our own in a folder of ours.
struct Disk(Folder);

impl Disk {
    /// None where this process may not mount anything.
    fn mount() -> Option<Self> {
        let folder = Folder::new();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", DISK, "firemode"]).arg(folder.path()).status();
        mounted.is_ok_and(|status| status.success()).then_some(Self(folder))
    }

    fn ballast(&self) -> PathBuf {
        self.0.path().join("ballast")
    }

    /// Takes all the room that there is now.
    fn fill(&self) {
        let mut ballast = OpenOptions::new().create(true).append(true).open(self.ballast()).unwrap();
        for block in [1 << 20, 4 << 10] {
            while ballast.write_all(&vec![0; block]).is_ok() {}
        }
    }

    fn make_room(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

/// Sends one result more, and keeps what was acknowledged.
fn send(site: &Site, acknowledged: &mut Vec<String>) -> Answer {
    let remark = format!("{} {}", new_key(), ".".repeat(REMARK_BYTES));
    let path = format!("{}/remarks", site.items[0]);
    let body = json!({"changes": [operation("tablet", "append", &path, json!(remark))]});
    let answer = site.admin.request("POST", &site.session("/results")).key(&new_key()).json(&body).send();
    if answer.status == 200 {
        acknowledged.push(remark);
    }
    answer
}

fn assert_refused(answer: &Answer) {
    assert_eq!(answer.status, 503, "{}", answer.json);
    assert!(!answer.header("retry-after").is_empty());
}

#[test]
fn a_full_disk_loses_nothing_that_was_acknowledged_and_is_forgotten_when_there_is_room() {
    let Some(disk) = Disk::mount() else {
        // Past what the harness keeps of a test that passes.
        let _ = writeln!(io::stderr(), "NOT TESTED: a full disk, because this process may not mount one");
        return;
    };
    let stack = Stack::start_in(&disk.0, &[]);
    let site = Site::on(&stack);
    let mut acknowledged = Vec::new();
    send(&site, &mut acknowledged).expect(200);

    eventually("results are refused", || {
        disk.fill();
        Some(send(&site, &mut acknowledged))
            .filter(|answer| answer.status != 200)
            .map(|answer| assert_refused(&answer))
    });
    disk.fill();
    assert_refused(&Form::photo(&site.session_id, new_key().as_bytes()).upload(&site.admin));
    let ready = || stack.client().get("/health/ready");
    let said = eventually("readiness says so", || Some(ready()).filter(|answer| answer.status == 503));
    assert_eq!(said["checks"]["database"], Value::Bool(false), "{}", said.json);

    disk.make_room();
    eventually("it is ready again", || Some(ready()).filter(|answer| answer.status == 200));
    eventually("results are taken again", || {
        Some(send(&site, &mut acknowledged)).filter(|answer| answer.status == 200)
    });
    Form::photo(&site.session_id, new_key().as_bytes()).upload(&site.admin).expect(201);
    let remarks = site.item(&site.items[0])["remarks"].clone();
    let shown: Vec<&str> = remarks.as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let lost = acknowledged.iter().filter(|remark| !shown.contains(&remark.as_str())).count();
    assert_eq!(lost, 0, "of {} that were acknowledged", acknowledged.len());
}
