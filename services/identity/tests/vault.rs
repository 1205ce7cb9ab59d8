//! Personal data at rest: the vectors of the Fernet specification, and several keys.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use fernet::Fernet;
use firemode_identity::{IdentityError, Renewal, Vault};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Vectors that are invalid because of the time; stored data has none to keep.
const UNTIMELY: [&str; 2] = ["far-future TS (unacceptable clock skew)", "expired TTL"];

fn vectors(text: &str) -> Vec<Value> {
    serde_json::from_str(text).expect("JSON")
}

fn text<'a>(vector: &'a Value, name: &str) -> &'a str {
    vector[name].as_str().unwrap_or_else(|| panic!("{name} is missing"))
}

fn vault(keys: &str) -> Vault {
    Vault::new(&keys.to_owned().into()).expect("keys")
}

fn key(byte: u8) -> String {
    URL_SAFE.encode([byte; 32])
}

#[test]
fn tokens_of_the_specification_are_read() {
    for file in [include_str!("data/fernet_generate.json"), include_str!("data/fernet_verify.json")] {
        for vector in vectors(file) {
            let vault = vault(text(&vector, "secret"));
            let read = vault.decrypt(text(&vector, "token").as_bytes()).expect("it is valid");
            assert_eq!(read, text(&vector, "src"));
        }
    }
}

#[test]
fn tokens_that_the_specification_refuses_are_refused() {
    for vector in vectors(include_str!("data/fernet_invalid.json")) {
        let (what, token) = (text(&vector, "desc"), text(&vector, "token"));
        let now = OffsetDateTime::parse(text(&vector, "now"), &Rfc3339).expect("a time").unix_timestamp();
        let ttl = vector["ttl_sec"].as_u64();
        let fernet = Fernet::new(text(&vector, "secret")).expect("a key");
        assert!(fernet.decrypt_at_time(token, ttl, now.unsigned_abs()).is_err(), "{what}");
        let read = vault(text(&vector, "secret")).decrypt(token.as_bytes());
        assert_eq!(read.is_ok(), UNTIMELY.contains(&what), "{what}");
    }
}

#[test]
fn what_is_written_has_the_form_of_the_specification_and_differs_each_time() {
    let vault = vault(&key(1));
    let (one, two) = (vault.encrypt("Ada Example"), vault.encrypt("Ada Example"));
    assert_ne!(one, two);
    let bytes = URL_SAFE.decode(&one).expect("base64url");
    assert_eq!(bytes[0], 0x80);
    assert_eq!(bytes.len(), 1 + 8 + 16 + 16 + 32, "version, time, IV, one block, HMAC");
}

#[test]
fn the_first_key_encrypts_and_all_decrypt() {
    let (old, new) = (key(1), key(2));
    let token = vault(&old).encrypt("Ada Example");
    let both = vault(&format!("{new}, {old}"));
    assert_eq!(both.decrypt(&token).expect("the old key is there"), "Ada Example");
    let Renewal::Renewed { from, token: renewed } = both.renew(&token) else {
        panic!("it was under the old key")
    };
    assert_eq!(from, vault(&old).encrypting_key_id());
    assert_eq!(both.renew(&renewed), Renewal::Current);
    assert_eq!(vault(&new).decrypt(&renewed).expect("the old key is not needed"), "Ada Example");
    assert_eq!(vault(&new).renew(&token), Renewal::Unreadable);
    let error = vault(&new).decrypt(&token).expect_err("the old key is missing");
    assert!(matches!(error, IdentityError::KeyMissing), "a key can be brought back: {error}");
}

#[test]
fn keys_are_told_apart_and_not_shown() {
    let vault = vault(&format!("{},{}", key(1), key(2)));
    let ids: Vec<&str> = vault.key_ids().collect();
    assert_ne!(ids[0], ids[1]);
    assert_eq!(vault.key_of(&vault.encrypt("x")), Some(ids[0]));
    assert_eq!(vault.key_of(b"\xff"), None);
    assert!(!format!("{vault:?}").contains(&key(1)));
    for keys in ["", "no key", &format!("{},", key(1)), &URL_SAFE.encode([1; 31])] {
        assert!(Vault::new(&keys.to_owned().into()).is_none(), "{keys}");
    }
}
