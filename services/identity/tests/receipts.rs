//! Receipts: the same for the same fact, and found out when changed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use firemode_identity::{ChangeStandings, ReceiptError, ReceiptKeys, ReceiptSubject};
use time::OffsetDateTime;
use uuid::Uuid;

/// The key pair of RFC 8037, appendix A.
const SEED: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
const OTHER: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Receipts of the first form, which said less, signed with the first of these keys.
const OLD_EVIDENCE: &str = "eyJhbGciOiJFZERTQSIsImtpZCI6ImtQcktfcW14VldhWVZBOXd3QkY2SXVvM3ZWeno3VHhIQ1R3WEJ5Z3JTNGsiLCJ0eXAiOiJm\
    aXJlbW9kZS1yZWNlaXB0K2p3cyJ9.eyJ2ZXJzaW9uIjoxLCJvcmdhbmlzYXRpb25faWQiOiIwMDAwMDAwMC0wMDAwLTAwMDAtMDA\
    wMC0wMDAwMDAwMDAwMDAiLCJzZXNzaW9uX2lkIjoiMDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAwIiwicmVjZWl\
    2ZWRfYXQiOiIxOTcwLTAxLTAxVDAwOjAwOjAwWiIsImtpbmQiOiJldmlkZW5jZSIsImV2aWRlbmNlX2lkIjoiMDAwMDAwMDAtMDA\
    wMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAwIiwic2hhMjU2IjoiYWIiLCJzaXplX2J5dGVzIjo3fQ.dq1ZDzq4jLtlldyr9Tk-tY0F\
    XqHiSiz4cGVYOdkMFY-4ucX1fVUDtzPGIoramcEae8yJ5a9CGnajhEcPSeWQCQ";
const OLD_RESULTS: &str = "eyJhbGciOiJFZERTQSIsImtpZCI6ImtQcktfcW14VldhWVZBOXd3QkY2SXVvM3ZWeno3VHhIQ1R3WEJ5Z3JTNGsiLCJ0eXAiOiJm\
    aXJlbW9kZS1yZWNlaXB0K2p3cyJ9.eyJ2ZXJzaW9uIjoxLCJvcmdhbmlzYXRpb25faWQiOiIwMDAwMDAwMC0wMDAwLTAwMDAtMDA\
    wMC0wMDAwMDAwMDAwMDAiLCJzZXNzaW9uX2lkIjoiMDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAwIiwicmVjZWl\
    2ZWRfYXQiOiIxOTcwLTAxLTAxVDAwOjAwOjAwWiIsImtpbmQiOiJyZXN1bHRzIiwicmVxdWVzdF9zaGEyNTYiOiJhYiIsImNoYW5\
    nZV9jb3VudCI6MiwiY2hhbmdlc19zaGEyNTYiOiJjZCIsImhlYWRzX3NoYTI1NiI6ImVmIn0.hNhxyIQRbQ00r89moD_7-wwE8Bs\
    kO2CJ9EQhlXNuEsbkrrrn7zvLyVKN7qA8blGd_QqBIJ6MmbM2QS8ywbarBQ";

fn keys(text: &str) -> ReceiptKeys {
    ReceiptKeys::new(&text.into()).expect("the keys are usable")
}

fn receipt(keys: &ReceiptKeys) -> String {
    let of = (Uuid::nil(), Uuid::max());
    keys.sign(of, OffsetDateTime::UNIX_EPOCH, evidence()).expect("it can be signed")
}

fn evidence() -> ReceiptSubject {
    let (sha256, item_id, evidence_type) = ("ab".into(), Some("door-7".into()), Some("photo".into()));
    ReceiptSubject::Evidence { evidence_id: Uuid::nil(), sha256, size_bytes: 7, item_id, evidence_type }
}

#[test]
fn a_key_is_named_as_rfc_8037_names_it() {
    let keys = keys(SEED);
    let key = &keys.public().keys[0];
    assert_eq!(key.x, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    assert_eq!(key.kid, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[test]
fn the_same_fact_gives_the_same_receipt_and_it_reads_back() {
    let keys = keys(SEED);
    let text = receipt(&keys);
    assert_eq!(text, receipt(&keys));
    let read = keys.public().verify(&format!("{text}\n")).expect("it is genuine");
    assert_eq!(read.session_id, Uuid::max());
    assert_eq!(read.subject, evidence());
}

#[test]
fn results_are_named_by_digests_that_do_not_depend_on_order() {
    let keys = keys(SEED);
    let sign = |changes: [&str; 2]| {
        let changes = changes.map(str::to_owned).to_vec();
        let standings = ChangeStandings { held: vec!["ef".to_owned()], ..ChangeStandings::default() };
        let subject = ReceiptSubject::of_results(&[1; 32], changes, &["cd".to_owned()], standings);
        keys.sign((Uuid::nil(), Uuid::nil()), OffsetDateTime::UNIX_EPOCH, subject)
    };
    let text = sign(["aa", "bb"]).expect("it can be signed");
    assert_eq!(sign(["bb", "aa"]).expect("it can be signed"), text);
    let read = keys.public().verify(&text).expect("it is genuine");
    let ReceiptSubject::Results { change_count, changes_sha256, standings, .. } = read.subject else {
        panic!("it is for results")
    };
    // printf 'aa\nbb\n' | sha256sum
    let digest = "329d670e59ead1543a2d36865895972560bc434204c5f4a0c8219005dd312719";
    assert_eq!((change_count, changes_sha256.as_str()), (2, digest));
    assert_eq!((standings.held, standings.accepted), (vec!["ef".to_owned()], Vec::new()));
}

#[test]
fn receipts_from_before_still_count() {
    let keys = keys(SEED);
    for (text, kind) in [(OLD_EVIDENCE, "evidence"), (OLD_RESULTS, "results")] {
        let read = keys.public().verify(text).expect("it is genuine");
        let told = serde_json::to_value(&read).expect("a receipt is JSON");
        assert_eq!(told["kind"], kind);
        assert!(told.get("evidence_type").is_none() && told.get("accepted").is_none(), "{told}");
    }
}

#[test]
fn after_a_rotation_old_receipts_still_count() {
    let old = receipt(&keys(SEED));
    let rotated = keys(&format!("{OTHER},{SEED}"));
    assert!(rotated.public().verify(&old).is_ok());
    assert_ne!(receipt(&rotated), old);
    let unknown = keys(OTHER).public().verify(&old);
    assert!(matches!(unknown, Err(ReceiptError::UnknownKey(_))), "{unknown:?}");
}

#[test]
fn what_was_changed_is_found_out() {
    let keys = keys(SEED);
    let text = receipt(&keys);
    let parts: Vec<&str> = text.split('.').collect();
    let payload = String::from_utf8(URL_SAFE_NO_PAD.decode(parts[1]).expect("base64")).expect("UTF-8");
    let larger = URL_SAFE_NO_PAD.encode(payload.replace(":7", ":8"));
    let forged = format!("{}.{larger}.{}", parts[0], parts[2]);
    assert_eq!(keys.public().verify(&forged), Err(ReceiptError::Forged));
    let none = URL_SAFE_NO_PAD.encode(format!(
        r#"{{"alg":"none","kid":"{}","typ":"firemode-receipt+jws"}}"#,
        keys.public().keys[0].kid
    ));
    for text in [format!("{none}.{}.", parts[1]), "a.b".to_owned(), String::new(), "..".to_owned()] {
        assert_eq!(keys.public().verify(&text), Err(ReceiptError::Malformed), "{text}");
    }
}

#[test]
fn keys_that_are_not_keys_are_refused() {
    for text in ["", "short", &format!("{SEED},"), "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"] {
        assert!(ReceiptKeys::new(&text.into()).is_none(), "{text}");
    }
}
