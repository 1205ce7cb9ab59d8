//! Receipts: signed, and checked without FireMode.

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use crate::support::device::change_hash;
use crate::support::site::operation;
use crate::support::stack::command;
use crate::support::{Answer, Device, Folder, Form, Site, Stack, base64, new_key, sha256_hex};

/// What a device would have kept of an act: the answer, the keys, and the bytes that it sent.
struct Kept {
    folder: Folder,
}

impl Kept {
    fn new(answer: &Value, content: &[u8]) -> Self {
        let folder = Folder::new();
        let keys = Stack::shared().client().get("/v1/receipts/keys").expect(200).body;
        for (name, bytes) in
            [("answer", answer.to_string().as_bytes()), ("keys", keys.as_slice()), ("content", content)]
        {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn verify(&self, args: &[&str]) -> Output {
        verify(self.folder.path(), &[&[self.path("answer").as_str()], args].concat())
    }
}

fn verify(data_dir: &Path, args: &[&str]) -> Output {
    command(data_dir).args(["receipt", "verify"]).args(args).output().unwrap()
}

fn printed(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn an_upload_is_receipted_and_a_replay_gives_the_same_receipt() {
    let site = Site::new();
    let bytes = b"pressure 720 kPa".to_vec();
    let (form, key) = (Form::photo(&site.session_id, &bytes).text("item_id", &site.items[0]), new_key());
    let answer = form.upload_under(&site.admin, &key).expect(201);
    assert_eq!(form.upload_under(&site.admin, &key).expect(201)["receipt"], answer["receipt"]);
    let kept = Kept::new(&answer.json, &bytes);
    let receipt = printed(&kept.verify(&["--keys", &kept.path("keys"), "--content", &kept.path("content")]));
    let wanted = json!({
        "version": 1, "kind": "evidence", "organisation_id": site.organisation.id,
        "session_id": site.session_id, "received_at": receipt["received_at"],
        "evidence_id": answer["evidence_id"], "sha256": sha256_hex(&bytes), "size_bytes": bytes.len(),
        "item_id": site.items[0], "evidence_type": "photo",
    });
    assert_eq!(receipt, wanted);
    let read = site.admin.get(&format!("/v1/evidence/{}", answer.text("/evidence_id"))).expect(200);
    assert_eq!(read["created_at"], receipt["received_at"]);
}

#[test]
fn results_are_receipted_with_the_hash_of_what_was_sent() {
    let site = Site::new();
    let path = format!("{}/outcome", site.items[0]);
    let body = json!({"changes": [operation("tablet", "set", &path, json!("pass"))]});
    let key = new_key();
    let send =
        || site.admin.request("POST", &site.session("/results")).key(&key).json(&body).send().expect(200);
    let answer = send();
    assert_eq!(send()["receipt"], answer["receipt"], "a replay gives the same one");
    let kept = Kept::new(&answer.json, body.to_string().as_bytes());
    // The keys of the stack's own folder, as an operator would check.
    let own = Stack::shared().folder().path();
    let receipt = printed(&verify(own, &[&kept.path("answer"), "--content", &kept.path("content")]));
    assert_eq!(receipt["kind"], "results");
    assert_eq!(receipt["session_id"], site.session_id);
    assert_eq!(receipt["change_count"], 1);
    let hash = answer["heads"][0].as_str().unwrap();
    assert_eq!(receipt["heads_sha256"], sha256_hex(format!("{hash}\n").as_bytes()));
    assert_eq!(receipt["changes_sha256"], receipt["heads_sha256"], "the one change is the head");
    assert_eq!(receipt["received_at"], answer["processed_at"]);
    assert_eq!(receipt["accepted"], json!([hash]));
}

/// What the receipt of an answer says.
pub(crate) fn receipt_of(answer: &Answer) -> Value {
    let kept = Kept::new(&answer.json, b"");
    printed(&kept.verify(&["--keys", &kept.path("keys")]))
}

#[test]
fn a_receipt_says_of_each_change_what_became_of_it() {
    let site = Site::new();
    let mut device = Device::of(&site);
    let [first, second, third] = ["a", "b", "c"].map(|value| device.set(&site.items[0], "notes", value));
    let hash = |change: &[u8]| change_hash(change);
    let send = |changes: &[&[u8]]| {
        let body = json!({"changes": changes.iter().map(|change| base64(change)).collect::<Vec<_>>()});
        receipt_of(&site.send(&body).expect(200))
    };
    let receipt = send(&[&first, &third]);
    assert_eq!((&receipt["accepted"], &receipt["held"]), (&json!([hash(&first)]), &json!([hash(&third)])));
    let receipt = send(&[&third]);
    assert_eq!(receipt["held"], json!([hash(&third)]), "sent again, it still waits");
    assert!(receipt.get("accepted").is_none());
    let receipt = send(&[&second, &third, &first]);
    let mut accepted = [&first, &second, &third].map(|change| hash(change));
    accepted.sort();
    let mut told: Vec<Value> = receipt["accepted"].as_array().unwrap().clone();
    told.sort_by_key(Value::to_string);
    assert_eq!(told, accepted, "what was stored before counts too");
    assert_eq!(receipt["change_count"], 1);

    site.complete();
    let late = device.set(&site.items[0], "notes", "d");
    assert_eq!(send(&[&late, &first])["late"], json!([hash(&late)]));
    assert_eq!(send(&[&late])["late"], json!([hash(&late)]), "sent again, it still waits for a manager");
}

#[test]
fn a_request_that_sent_nothing_earns_no_receipt() {
    let site = Site::new();
    let answer = site.send(&json!({"changes": []})).expect(200);
    assert_eq!((&answer["accepted"], &answer["receipt"]), (&json!(0), &Value::Null));
}

#[test]
fn what_is_not_genuine_has_an_exit_code_of_its_own() {
    let site = Site::new();
    let bytes = b"a reading".to_vec();
    let answer = Form::photo(&site.session_id, &bytes).upload(&site.admin).expect(201);
    let kept = Kept::new(&answer.json, b"another reading");
    let keys = kept.path("keys");
    let refused = |output: Output, why: &str| {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), text.contains(why)), (Some(4), true), "{text}");
        assert!(output.stdout.is_empty());
    };
    refused(kept.verify(&["--keys", &keys, "--content", &kept.path("content")]), "for other bytes");
    refused(kept.verify(&[]), "a key that is not among");
    let receipt = answer.text("/receipt");
    let (signed, signature) = receipt.rsplit_once('.').unwrap();
    let other: String = signature.chars().rev().collect();
    fs::write(kept.path("answer"), format!("{signed}.{other}")).unwrap();
    let output = kept.verify(&["--keys", &keys]);
    assert_eq!(output.status.code(), Some(4), "{}", String::from_utf8_lossy(&output.stderr));
    fs::write(kept.path("answer"), &receipt).unwrap();
    printed(&kept.verify(&["--keys", &keys]));
    let url = format!("{}/v1/receipts/keys", Stack::shared().base_url());
    printed(&kept.verify(&["--keys", &url]));
    assert_eq!(verify(kept.folder.path(), &["/nowhere", "--keys", &keys]).status.code(), Some(1));
}
