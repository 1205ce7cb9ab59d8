//! Backups of a running appliance, and restores into another folder.

use std::fs;
use std::path::Path;
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::demo::{photographs, seed, sessions, sign_in};
use crate::support::organisation::PASSWORD;
use crate::support::stack::{command, repository_file};
use crate::support::{Client, Folder, Form, Organisation, Stack, eventually};

fn run(data_dir: &Path, role: &str, file: &Path) -> Output {
    command(data_dir).arg(role).arg(file).output().unwrap()
}

fn succeeds(data_dir: &Path, role: &str, file: &Path) -> String {
    let output = run(data_dir, role, file);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Asserts exit code 1; returns what was said.
fn fails(data_dir: &Path, role: &str, file: &Path) -> String {
    let output = run(data_dir, role, file);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(output.stdout.is_empty());
    said
}

/// Uploads evidence until it is over.
fn upload_until(is_over: &AtomicBool, admin: &Client, session_id: &str) -> usize {
    let mut uploaded = 0;
    while !is_over.load(Ordering::Relaxed) {
        let content = format!("\u{ff}\u{d8} upload {uploaded} while the backup is made");
        Form::photo(session_id, content.as_bytes()).upload(admin).expect(201);
        uploaded += 1;
    }
    uploaded
}

#[test]
fn a_backup_taken_under_load_restores_everything_and_nothing_else() {
    let stack = Stack::start(&[]);
    seed(&stack);
    let admin = sign_in(&stack);
    let before = sessions(&admin);
    let active = before.iter().find(|session| session["status"] == "active").unwrap();
    let cursor = admin.get("/v1/tests/sessions?limit=2").expect(200).text("/next_cursor");
    let place = Folder::new();
    let file = place.path().join("backup.tar");

    let is_over = AtomicBool::new(false);
    let uploaded = thread::scope(|scope| {
        let uploads = scope.spawn(|| upload_until(&is_over, &admin, active["id"].as_str().unwrap()));
        let said = succeeds(stack.folder().path(), "backup", &file);
        is_over.store(true, Ordering::Relaxed);
        assert!(said.contains("verified") && said.contains("secrets"), "{said}");
        assert!(!said.contains("not FireMode's"), "{said}");
        uploads.join().unwrap()
    });
    assert!(uploaded > 0, "the backup was taken while nothing happened");
    let size = fs::metadata(&file).unwrap().len();
    assert!(fails(stack.folder().path(), "backup", &file).contains("exists already"));
    assert_eq!(fs::metadata(&file).unwrap().len(), size);

    let said = fails(stack.folder().path(), "restore", &file);
    assert!(said.contains("is not empty; nothing was changed"), "{said}");
    assert!(sessions(&admin) == before, "the refused restore changed something");

    let folder = Folder::new();
    succeeds(folder.path(), "restore", &file);
    assert!(fails(folder.path(), "restore", &file).contains("is not empty"));
    let mut restored = Stack::start_in(&folder, &[]);
    // The name is stored encrypted: the key came with the backup.
    let there = sign_in(&restored);
    assert_eq!(there.get("/v1/users/me").expect(200).text("/full_name"), "Dana Demo");
    let after = sessions(&there);
    assert!(after == before, "the restored sessions differ");
    for id in photographs(&after) {
        assert_eq!(there.get(&format!("/v1/evidence/{id}/verify")).expect(200)["verified"], true);
    }
    // Evidence that was on its way meanwhile is there with its bytes, or not at all.
    for row in restored.sql().rows("select id::text from evidence", &[]) {
        let id: String = row.get(0);
        assert_eq!(there.get(&format!("/v1/evidence/{id}/verify")).expect(200)["verified"], true);
    }
    let old = format!("/v1/tests/sessions?limit=2&cursor={cursor}");
    admin.get(&old).expect(200);
    there.get(&old).expect(410);
    assert!(seed(&restored).contains("nothing was added"));
    assert_eq!(restored.end_with(Signal::SIGTERM).code(), Some(0));

    // A stopped appliance can be backed up too.
    let again = place.path().join("again.tar");
    assert!(succeeds(folder.path(), "backup", &again).contains("verified"));
}

#[test]
fn a_backup_of_a_folder_restores_into_the_database() {
    let stack = Stack::start(&[]);
    seed(&stack);
    let before = sessions(&sign_in(&stack));
    let (place, folder) = (Folder::new(), Folder::new());
    let file = place.path().join("backup.tar");
    succeeds(stack.folder().path(), "backup", &file);
    let into_database = ("FIREMODE__EVIDENCE__URL", "postgres:");
    let restore = || command(folder.path()).envs([into_database]).arg("restore").arg(&file).output().unwrap();
    let output = restore();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&restore().stderr).contains("is not empty"));
    let restored = Stack::start_in(&folder, &[into_database]);
    let there = sign_in(&restored);
    let after = sessions(&there);
    assert!(after == before, "the restored sessions differ");
    let photographs = photographs(&after);
    assert!(!photographs.is_empty());
    for id in &photographs {
        assert_eq!(there.get(&format!("/v1/evidence/{id}/verify")).expect(200)["verified"], true);
    }
    let unkept = "select count(*) from evidence_blobs b where not exists
                      (select from evidence_chunks c where c.organisation_id = b.organisation_id and c.storage_key = b.storage_key)";
    assert_eq!(restored.sql().count(unkept, &[]), 0);
    assert!(!folder.path().join("evidence").exists(), "the bytes are in the database alone");
}

#[test]
fn a_restore_brings_nobodys_sign_in_back() {
    let stack = Stack::start(&[]);
    let organisation = Organisation::register(&stack);
    let member = organisation.member(&stack, "technician");
    let reset = format!("/v1/users/{}/password-reset", member.user_id);
    let reset_token = organisation.admin.request("POST", &reset).send().expect(201).text("/token");
    let place = Folder::new();
    let file = place.path().join("backup.tar");
    succeeds(stack.folder().path(), "backup", &file);

    // The reason for the change of password is that somebody else may have the one before, and what it opened.
    let change = json!({"current_password": PASSWORD, "new_password": "eight green valves above the stair"});
    organisation.admin.post("/v1/users/me/password", &change).expect(200);
    let refresh = |client: &Client| {
        client.post("/v1/auth/refresh", &json!({"refresh_token": organisation.refresh_token}))
    };
    refresh(&stack.client()).problem(401, "FIRE-401");

    let folder = Folder::new();
    let said = succeeds(folder.path(), "restore", &file);
    assert!(said.contains("Every sign-in, invitation and password reset of the backup has ended"), "{said}");
    let restored = Stack::start_in(&folder, &[]);
    let anyone = restored.client();
    refresh(&anyone).problem(401, "FIRE-401");
    for token in [organisation.admin.token(), member.client.token()] {
        anyone.with_token(token).get("/v1/users/me").problem(401, "FIRE-401-REVOKED");
    }
    let body = json!({"token": reset_token, "password": "nine blue valves below the stair"});
    anyone.post("/v1/auth/reset-password", &body).problem(401, "FIRE-401");
    let sign_in = json!({"email": organisation.email, "password": PASSWORD});
    let again = anyone.post("/v1/auth/login", &sign_in).expect(200);
    anyone.with_token(again.text("/access_token")).get("/v1/users/me").expect(200);
    anyone.post("/v1/auth/refresh", &json!({"refresh_token": again.text("/refresh_token")})).expect(200);
}

#[test]
fn where_nothing_is_nothing_is_backed_up_or_made() {
    let (folder, place) = (Folder::new(), Folder::new());
    let said = fails(folder.path(), "backup", &place.path().join("backup.tar"));
    assert!(said.contains("nothing to back up"), "{said}");
    for folder in [folder, place] {
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    }
}

#[test]
fn a_damaged_backup_is_told_and_nothing_is_changed() {
    let place = Folder::new();
    let file = place.path().join("backup.tar");
    succeeds(Stack::shared().folder().path(), "backup", &file);
    let whole = fs::read(&file).unwrap();
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    let target = Folder::new();
    for (name, bytes) in [
        ("empty", Vec::new()),
        ("no archive", b"hello".to_vec()),
        ("cut off", whole[..whole.len() / 2].to_vec()),
        ("without its hashes", whole[..whole.len() - 8192].to_vec()),
        ("flipped in the manifest", flipped(700)),
        ("flipped in the middle", flipped(whole.len() / 2)),
    ] {
        let damaged = place.path().join("damaged.tar");
        fs::write(&damaged, bytes).unwrap();
        let said = fails(target.path(), "restore", &damaged);
        assert!(said.contains("backup"), "{name}: {said}");
        assert_eq!(target.path().read_dir().unwrap().count(), 0, "{name}: something was made");
    }
    assert!(fails(target.path(), "restore", &place.path().join("none.tar")).contains("No such file"));
}

#[test]
fn evidence_that_is_damaged_in_the_store_is_named_and_not_backed_up() {
    let stack = Stack::start(&[]);
    seed(&stack);
    let row = stack.sql().rows("select storage_key from evidence_blobs limit 1", &[]);
    let key: String = row[0].get(0);
    let stored = stack.folder().path().join("evidence").join(&key);
    fs::write(&stored, b"other bytes").unwrap();
    let place = Folder::new();
    let said = fails(stack.folder().path(), "backup", &place.path().join("backup.tar"));
    assert!(said.contains(&key), "{said}");
    assert_eq!(place.path().read_dir().unwrap().count(), 0, "a part of a file is left");
}

/// Unpacks a backup, lets a script change it there, and packs it again with hashes that fit.
const CHANGE: &str = r#"
    set -eu
    rm -rf "$2"; mkdir "$2"; cd "$2"
    tar tf "$1" > ../members
    tar xf "$1"
    sh -c "$3"
    grep -v '^SHA256SUMS$' ../members | xargs -d '\n' sha256sum > SHA256SUMS
    tar cf "$4" --no-recursion -T ../members
"#;

#[test]
fn a_backup_that_does_not_fit_its_schema_is_told_by_what_does_not() {
    let place = Folder::new();
    let (file, changed) = (place.path().join("backup.tar"), place.path().join("changed.tar"));
    succeeds(Stack::shared().folder().path(), "backup", &file);
    for (script, words) in [
        (r#"sed -i 's/"name": "buildings"/"name": "castles"/' manifest.json"#, "it has no table castles"),
        (r#"sed -i 's/"metadata"/"metadatum"/' manifest.json"#, "has no column metadatum"),
        (
            r#"sed -i 's/"schema_version": [0-9]*/"schema_version": 9999/' manifest.json"#,
            "schema version 9999",
        ),
        (
            "echo not a row > database/buildings.copy; sed -i '1a database/buildings.copy' ../members",
            "rows of the table buildings do not fit",
        ),
    ] {
        let unpacked = place.path().join("unpacked");
        let done = std::process::Command::new("sh")
            .args(["-c", CHANGE, "sh"])
            .args([&file, &unpacked])
            .arg(script)
            .arg(&changed)
            .status();
        assert!(done.unwrap().success(), "{script}");
        let target = Folder::new();
        let said = fails(target.path(), "restore", &changed);
        assert!(said.contains(words), "{script}: {said}");
        assert!(!target.path().join("postgres").exists(), "{script}: something was made");
    }
}

/// Of 78d9f6a, the last commit that did not compress: the demo organisation of a throw-away appliance, with its secrets.
#[test]
fn a_backup_of_an_earlier_release_can_be_restored() {
    let (place, folder) = (Folder::new(), Folder::new());
    let file = place.path().join("backup.tar");
    let packed = fs::File::open(repository_file("tests/it/backups/format_1.tar.gz")).unwrap();
    std::io::copy(&mut flate2::read::GzDecoder::new(packed), &mut fs::File::create(&file).unwrap()).unwrap();
    let said = succeeds(folder.path(), "restore", &file);
    assert!(said.contains("25 tables, 7 evidence files"), "{said}");
    let restored = Stack::start_in(&folder, &[]);
    let admin = sign_in(&restored);
    assert_eq!(admin.get("/v1/users/me").expect(200).text("/full_name"), "Dana Demo");
    let sessions = sessions(&admin);
    assert_eq!(sessions.len(), 7);
    let photographs = photographs(&sessions);
    assert_eq!(photographs.len(), 7);
    for id in photographs {
        assert_eq!(admin.get(&format!("/v1/evidence/{id}/verify")).expect(200)["verified"], true);
    }
}

#[test]
fn a_backup_that_is_killed_leaves_nothing_behind() {
    let stack = Stack::start(&[]);
    Organisation::register(&stack);
    let place = Folder::new();
    let file = place.path().join("backup.tar");
    // It comes to a table that somebody holds, when the file has something in it already.
    let holder = stack.sql();
    holder.batch("begin; lock table users in access exclusive mode");
    let mut backup = command(stack.folder().path()).arg("backup").arg(&file).spawn().unwrap();
    let waits =
        "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like 'copy%users%'";
    eventually("the backup waits", || (stack.sql().count(waits, &[]) == 1).then_some(()));
    backup.kill().unwrap();
    backup.wait().unwrap();
    let names: Vec<_> = place.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.is_empty(), "{names:?}");
    holder.batch("rollback");
    succeeds(stack.folder().path(), "backup", &file);
}

#[test]
fn tables_of_others_are_named_and_left_where_they_are() {
    let stack = Stack::start(&[]);
    let organisation = Organisation::register(&stack);
    stack.sql().batch("create table somebodys (id serial primary key); insert into somebodys default values");
    let (place, folder) = (Folder::new(), Folder::new());
    let file = place.path().join("backup.tar");
    let said = succeeds(stack.folder().path(), "backup", &file);
    assert!(said.contains("not FireMode's are not in it: somebodys."), "{said}");
    succeeds(folder.path(), "restore", &file);
    let restored = Stack::start_in(&folder, &[]);
    let known = "select count(*) from organisations where id = $1";
    assert_eq!(restored.sql().count(known, &[&organisation.id]), 1);
}
