//! Evidence in the database, and what nobody refers to any more.

use std::fs;

use serde_json::json;

use crate::support::{Form, Site, Stack, eventually, new_key, sha256_hex};
use crate::uploads::leave_half_done;
use crate::worker::sweep_now;

const IN_DATABASE: (&str, &str) = ("FIREMODE__EVIDENCE__URL", "postgres:");

fn chunks(stack: &Stack, site: &Site) -> i64 {
    let sql = "select count(*) from evidence_chunks where organisation_id = $1";
    stack.sql().count(sql, &[&site.organisation.id])
}

fn leases(stack: &Stack, site: &Site) -> i64 {
    let sql = "select count(*) from evidence_leases where organisation_id = $1";
    stack.sql().count(sql, &[&site.organisation.id])
}

/// Bytes that no other test has, over several chunks of the database.
fn large() -> Vec<u8> {
    let seed = new_key();
    seed.bytes().cycle().zip(0_u32..).map(|(byte, at)| byte ^ at.to_le_bytes()[1]).take(2_500_000).collect()
}

#[test]
fn evidence_in_the_database_behaves_as_in_a_folder() {
    let shared = Stack::shared();
    let stack = shared.beside(&[IN_DATABASE]);
    let site = Site::on(&stack);
    let id = takes_and_gives(&site);
    assert_eq!(
        (chunks(shared, &site), leases(shared, &site)),
        (3, 0),
        "once, and nothing of what was refused"
    );
    let sql = "update evidence_chunks set bytes = '\\x00' where organisation_id = $1 and chunk_number = 2";
    shared.sql().rows(sql, &[&site.organisation.id]);
    assert_eq!(site.admin.get(&format!("/v1/evidence/{id}/verify")).expect(200)["verified"], false);
}

/// Any server that speaks S3 will do, for example moto (`pip install 'moto[server]'`; `moto_server --port 9001`) with a bucket:
/// `FIREMODE_TEST_S3_URL='s3://bucket/prefix?endpoint=http://127.0.0.1:9001&region=us-east-1'`.
#[test]
#[ignore = "needs a server that speaks S3, named by FIREMODE_TEST_S3_URL"]
fn evidence_in_s3_behaves_as_in_a_folder() {
    let url = std::env::var("FIREMODE_TEST_S3_URL").expect("FIREMODE_TEST_S3_URL names a bucket");
    let credential = |name| std::env::var(name).unwrap_or_else(|_| "test".to_owned());
    a_bucket_behaves_as_a_folder(&[
        ("FIREMODE__EVIDENCE__URL", &url),
        ("AWS_ACCESS_KEY_ID", &credential("AWS_ACCESS_KEY_ID")),
        ("AWS_SECRET_ACCESS_KEY", &credential("AWS_SECRET_ACCESS_KEY")),
    ]);
}

/// Google's own, with the credentials of the environment, or a server that speaks its XML API, such as
/// `tests/google_cloud_storage.py 9001` with a bucket:
/// `FIREMODE_TEST_GCS_URL='gs://bucket/prefix?endpoint=http://127.0.0.1:9001'` and
/// `GOOGLE_SERVICE_ACCOUNT_KEY='{"private_key": "", "private_key_id": "", "client_email": "", "disable_oauth": true}'`.
#[test]
#[ignore = "needs a bucket of Google's, or a server that speaks like it, named by FIREMODE_TEST_GCS_URL"]
fn evidence_in_google_cloud_storage_behaves_as_in_a_folder() {
    let url = std::env::var("FIREMODE_TEST_GCS_URL").expect("FIREMODE_TEST_GCS_URL names a bucket");
    let credentials: Vec<_> = std::env::vars().filter(|(name, _)| name.starts_with("GOOGLE_")).collect();
    let credentials = credentials.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let settings: Vec<_> = credentials.chain([("FIREMODE__EVIDENCE__URL", url.as_str())]).collect();
    a_bucket_behaves_as_a_folder(&settings);
}

fn a_bucket_behaves_as_a_folder(settings: &[(&str, &str)]) {
    let shared = Stack::shared();
    let stack = shared.beside(settings);
    let site = Site::on(&stack);
    takes_and_gives(&site);
    // Over several parts of a multipart upload.
    let larger = large().repeat(5);
    let id = Form::photo(&site.session_id, &larger).upload(&site.admin).expect(201).text("/evidence_id");
    assert_eq!(site.admin.get(&format!("/v1/evidence/{id}/content")).expect(200).body, larger);
    assert_eq!(leases(shared, &site), 0);
}

/// What every store does. Gives the id of a piece of evidence in it.
fn takes_and_gives(site: &Site) -> String {
    let bytes = large();
    let form = Form::photo(&site.session_id, &bytes);
    let id = form.upload(&site.admin).expect(201).text("/evidence_id");
    form.upload(&site.admin).expect(201);
    let path = format!("/v1/evidence/{id}");
    assert_eq!(site.admin.get(&format!("{path}/content")).expect(200).body, bytes);
    assert_eq!(site.admin.get(&format!("{path}/verify")).expect(200)["verified"], true);
    let (size, chunk) = (bytes.len(), 1 << 20);
    for range in [0..1, chunk - 1..chunk + 1, chunk..2 * chunk, 5..size, size - 1..size] {
        let header = format!("bytes={}-{}", range.start, range.end - 1);
        let content = format!("{path}/content");
        let answer = site.admin.request("GET", &content).header("range", &header).send();
        assert_eq!(answer.expect(206).body, bytes[range], "{header}");
    }
    let wrong = Form::photo(&site.session_id, &large()).replace("sha256_hash", &"0".repeat(64));
    wrong.upload(&site.admin).problem(422, "FIRE-422-HASH-MISMATCH");
    id
}

/// On a database of its own: an appliance with another store would sweep that.
#[test]
fn the_sweeper_removes_what_has_expired_and_nothing_else() {
    let stack = Stack::start(&[]);
    let site = Site::on(&stack);
    let bytes = b"a reading that stays".to_vec();
    let id = Form::photo(&site.session_id, &bytes).upload(&site.admin).expect(201).text("/evidence_id");
    let store = stack.folder().path().join("evidence");
    let folder = store.join(site.organisation.id.to_string());
    let sql = stack.sql();
    // As crashes leave them: a whole file without a row, a file that was being written, one that is still on its way.
    for (name, left, age) in [("whole", "whole", 1), ("broken", "broken#1", 1), ("present", "present", -1)] {
        fs::write(folder.join(left), b"x").unwrap();
        let key = format!("{}/{name}", site.organisation.id);
        let lease = "insert into evidence_leases (organisation_id, storage_key, expires_at)
                     values ($1, $2, now() - make_interval(hours => $3))";
        sql.rows(lease, &[&site.organisation.id, &key, &age]);
    }
    // One that a sweeper took a moment ago is not taken again.
    let taken = format!("{}/taken", site.organisation.id);
    fs::write(folder.join("taken"), b"x").unwrap();
    let lease = "insert into evidence_leases values ($1, $2, now() - interval '1 hour', now())";
    sql.rows(lease, &[&site.organisation.id, &taken]);

    eventually("the sweeper comes", || {
        sweep_now(&stack);
        (leases(&stack, &site) == 2).then_some(())
    });
    let mut left: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.retain(|name| name.len() < 36);
    left.sort();
    assert_eq!(left, ["present", "taken"]);
    assert_eq!(site.admin.get(&format!("/v1/evidence/{id}/content")).expect(200).body, bytes);
}

#[test]
fn the_sweeper_ends_an_upload_that_has_expired_and_removes_its_bytes() {
    let stack = Stack::start(&[]);
    let site = Site::on(&stack);
    leave_half_done(&site);
    let store = stack.folder().path().join("evidence");
    let folder = store.join(site.organisation.id.to_string());
    let parts: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(parts.len(), 1);
    let sql = stack.sql();
    sql.rows(
        "update evidence_uploads set expires_at = now() where organisation_id = $1",
        &[&site.organisation.id],
    );

    eventually("the sweeper comes", || {
        sweep_now(&stack);
        let uploads = "select count(*) from evidence_uploads where organisation_id = $1";
        (sql.count(uploads, &[&site.organisation.id]) + leases(&stack, &site) == 0).then_some(())
    });
    assert!(!parts[0].exists());
}

#[test]
fn a_session_s_evidence_is_listed_and_filtered() {
    let site = Site::new();
    let path = site.session("/evidence");
    assert_eq!(site.admin.get(&path).expect(200).json, json!({"data": [], "next_cursor": null}));
    let upload = |item: &str, bytes: &[u8]| {
        let form = Form::photo(&site.session_id, bytes).text("item_id", item);
        form.upload(&site.admin).expect(201).text("/evidence_id")
    };
    let ids =
        [upload(&site.items[0], b"one"), upload(&site.items[1], b"two"), upload(&site.items[0], b"one")];
    let page = site.admin.get(&format!("{path}?limit=2")).expect(200);
    assert_eq!(
        (page["data"][0]["id"].as_str(), page["data"][1]["id"].as_str()),
        (Some(&*ids[2]), Some(&*ids[1]))
    );
    assert_eq!(page["data"][0]["hash"], sha256_hex(b"one"));
    let cursor = page.text("/next_cursor");
    let rest = site.admin.get(&format!("{path}?limit=2&cursor={cursor}")).expect(200);
    assert_eq!((rest["data"][0]["id"].as_str(), rest["next_cursor"].is_null()), (Some(&*ids[0]), true));
    let of_item = site.admin.get(&format!("{path}?item_id={}", site.items[1])).expect(200);
    assert_eq!((of_item.data().len(), of_item["data"][0]["id"].as_str()), (1, Some(&*ids[1])));
    assert_eq!(site.admin.get(&format!("{path}?status=flagged")).expect(200).data().len(), 0);
    site.admin.get(&format!("{path}?status=lost")).invalid(&["status"]);
    let other = Site::new();
    other.admin.get(&path).problem(404, "FIRE-404");
    other
        .admin
        .get(&format!("{}?cursor={cursor}", other.session("/evidence")))
        .problem(400, "FIRE-400-CURSOR");
}

#[test]
fn evidence_is_flagged_once_and_a_manager_takes_the_flag_off() {
    let (stack, site) = (Stack::shared(), Site::new());
    let technician = site.organisation.member(stack, "technician");
    let form = Form::photo(&site.session_id, b"a door");
    let path = format!("/v1/evidence/{}", form.upload(&site.admin).expect(201).text("/evidence_id"));
    let reason = "The photograph shows another door.";
    let flag = || technician.client.post(&format!("{path}/flag"), &json!({"reason": reason}));
    let flagged = flag().expect(200);
    assert_eq!((&flagged["status"], &flagged["flag"]["reason"]), (&json!("flagged"), &json!(reason)));
    assert_eq!(flagged["flag"]["flagged_by"], technician.user_id.to_string());
    assert_eq!(flag().expect(200).json, flagged.json, "a flag that is there stays as it is");
    assert_eq!(site.admin.get(&path).expect(200).json, flagged.json);
    let body = json!({"reason": "Looked at: it is the same door, repainted."});
    technician.client.post(&format!("{path}/unflag"), &body).problem(403, "FIRE-403");
    let cleared = site.admin.post(&format!("{path}/unflag"), &body).expect(200);
    assert_eq!((&cleared["status"], &cleared["flag"]), (&json!("verified"), &json!(null)));
    let acts = "select action from audit_log where organisation_id = $1 and action like 'evidence.%flag' order by created_at";
    let acts: Vec<String> =
        stack.sql().rows(acts, &[&site.organisation.id]).iter().map(|row| row.get(0)).collect();
    assert_eq!(acts, ["evidence.flag", "evidence.unflag"]);
    site.admin.post(&format!("{path}/flag"), &json!({"reason": ""})).invalid(&["reason"]);
    let stranger = Site::new();
    stranger.admin.post(&format!("{path}/flag"), &json!({"reason": "x"})).problem(404, "FIRE-404");
}
