//! The bytes of an audit event and the way back.

use firemode_domain::audit::{AuditEvent, AuditStatus, LeafError, leaf_hash, truncate_to_microseconds};
use proptest::prelude::*;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::datetime;
use uuid::Uuid;

use super::any_json;

fn event() -> AuditEvent {
    AuditEvent {
        id: Uuid::from_u128(1),
        organisation_id: Uuid::from_u128(2),
        actor_user_id: Some(Uuid::from_u128(3)),
        action: "session.create".into(),
        resource_type: "session".into(),
        resource_id: Some("4".into()),
        status: AuditStatus::Success,
        before: None,
        after: Some(json!({ "status": "pending", "item_count": 12 })),
        transaction_id: Uuid::from_u128(5),
        at: datetime!(2026-11-21 13:04:05.123456789 +10),
        replaces: None,
    }
}

const LEAF: &str = concat!(
    r#"{"action":"session.create","actor_user_id":"00000000-0000-0000-0000-000000000003","#,
    r#""after":{"item_count":12,"status":"pending"},"at":"2026-11-21T03:04:05.123456Z","before":null,"#,
    r#""id":"00000000-0000-0000-0000-000000000001","organisation_id":"00000000-0000-0000-0000-000000000002","#,
    r#""resource_id":"4","resource_type":"session","status":"success","#,
    r#""transaction_id":"00000000-0000-0000-0000-000000000005","v":1}"#
);

#[test]
fn a_leaf_that_stands_in_the_place_of_another_names_it_and_has_a_version_of_its_own() {
    let event = AuditEvent { replaces: Some("ab".repeat(32)), ..event() };
    let leaf = event.leaf().expect("it has a leaf");
    let said: Value = serde_json::from_slice(&leaf).expect("JSON");
    assert_eq!((&said["v"], &said["replaces"]), (&json!(3), &json!("ab".repeat(32))));
    assert_eq!(AuditEvent::from_leaf(&leaf).expect("a leaf").replaces, event.replaces);
    for (from, to) in [(r#""v":3"#, r#""v":1"#), (r#""v":3"#, r#""v":2"#)] {
        let forged = String::from_utf8(leaf.clone()).expect("UTF-8").replace(from, to);
        assert!(AuditEvent::from_leaf(forged.as_bytes()).is_err(), "{to}");
    }
}

#[test]
fn the_leaf_of_a_known_event_has_these_bytes() {
    let leaf = event().leaf().expect("it has a leaf");
    assert_eq!(String::from_utf8(leaf).expect("UTF-8"), LEAF);
}

#[test]
fn the_hash_of_a_leaf_is_that_of_rfc_6962() {
    // SHA-256 of one zero byte, the hash of the empty leaf in the test vectors of certificate transparency.
    let empty = [
        0x6e, 0x34, 0x0b, 0x9c, 0xff, 0xb3, 0x7a, 0x98, 0x9c, 0xa5, 0x44, 0xe6, 0xbb, 0x78, 0x0a, 0x2c, 0x78,
        0x90, 0x1d, 0x3f, 0xb3, 0x37, 0x38, 0x76, 0x85, 0x11, 0xa3, 0x06, 0x17, 0xaf, 0xa0, 0x1d,
    ];
    assert_eq!(leaf_hash(b""), empty);
    assert_ne!(leaf_hash(LEAF.as_bytes()), leaf_hash(&LEAF.as_bytes()[1..]));
}

#[test]
fn json_null_is_the_same_as_nothing() {
    let with_null = AuditEvent { before: Some(Value::Null), ..event() };
    assert_eq!(with_null.leaf().expect("a leaf"), event().leaf().expect("a leaf"));
}

#[test]
fn a_rewritten_leaf_is_not_accepted() {
    assert!(AuditEvent::from_leaf(LEAF.as_bytes()).is_ok());
    for (from, to) in [
        (",\"v\":1", ", \"v\":1"),
        ("\"item_count\":12", "\"item_count\":12.0"),
        ("\"item_count\":12", "\"item_count\":1,\"item_count\":12"),
        (r#""item_count":12,"status":"pending""#, r#""status":"pending","item_count":12"#),
        ("T03:04:05.123456Z", "T03:04:05.1234560Z"),
        ("T03:04:05.123456Z", "T13:04:05.123456+10:00"),
        ("\"00000000-0000-0000-0000-000000000003\"", "\"00000000000000000000000000000003\""),
        ("session.create", "session\\u002ecreate"),
    ] {
        let rewritten = LEAF.replacen(from, to, 1);
        assert_ne!(rewritten, LEAF);
        let error = AuditEvent::from_leaf(rewritten.as_bytes()).unwrap_err();
        assert!(matches!(error, LeafError::NotCanonical), "{to}: {error}");
    }
}

#[test]
fn what_is_no_event_is_refused() {
    let unknown_member = LEAF.replacen("\"v\":1", "\"v\":1,\"w\":2", 1);
    let missing_member = LEAF.replacen("\"status\":\"success\",", "", 1);
    for bytes in [b"".as_slice(), b"{}", b"\xff", b"[]", unknown_member.as_bytes(), missing_member.as_bytes()]
    {
        assert!(matches!(AuditEvent::from_leaf(bytes), Err(LeafError::Json(_))), "{bytes:?}");
    }
    let later = LEAF.replacen("\"v\":1", "\"v\":2", 1);
    assert!(matches!(AuditEvent::from_leaf(later.as_bytes()), Err(LeafError::Version(2))));
}

#[test]
fn a_time_outside_four_digit_years_is_refused() {
    let before_christ = AuditEvent { at: datetime!(-0001-01-01 0:00 UTC), ..event() };
    assert!(matches!(before_christ.leaf(), Err(LeafError::Time)));
}

#[test]
fn times_are_truncated_and_never_rounded() {
    let at = truncate_to_microseconds(datetime!(2026-11-21 23:59:59.999999999 UTC));
    assert_eq!(at, datetime!(2026-11-21 23:59:59.999999 UTC));
    let before_1970 = truncate_to_microseconds(datetime!(1960-01-01 0:00:00.000001999 UTC));
    assert_eq!(before_1970, datetime!(1960-01-01 0:00:00.000001 UTC));
}

prop_compose! {
    fn any_event()(
        ids in any::<[u128; 3]>(),
        actor_user_id in any::<Option<u128>>(),
        action in "[a-z]{1,12}\\.[a-z]{1,12}",
        resource_type in any::<String>(),
        resource_id in any::<Option<String>>(),
        success in any::<bool>(),
        before in prop::option::of(any_json()),
        after in prop::option::of(any_json()),
        microseconds in 0..253_402_300_799_000_000_i128,
    ) -> AuditEvent {
        AuditEvent {
            id: Uuid::from_u128(ids[0]),
            organisation_id: Uuid::from_u128(ids[1]),
            actor_user_id: actor_user_id.map(Uuid::from_u128),
            action: action.into(),
            resource_type: resource_type.into(),
            resource_id,
            status: if success { AuditStatus::Success } else { AuditStatus::Failure },
            before,
            after,
            transaction_id: Uuid::from_u128(ids[2]),
            at: OffsetDateTime::from_unix_timestamp_nanos(microseconds * 1_000).expect("a time up to the year 9999"),
            replaces: None,
        }
    }
}

proptest! {
    #[test]
    fn an_event_comes_back_from_its_leaf(event in any_event()) {
        let leaf = event.leaf().expect("it has a leaf");
        let read = AuditEvent::from_leaf(&leaf).expect("it is a leaf");
        prop_assert_eq!(read.leaf().expect("it has a leaf"), leaf.clone());

        // `before` and `after` may come back as 1 for 1.0 and as nothing for null; everything else is equal.
        let expected = AuditEvent { before: read.before.clone(), after: read.after.clone(), ..event };
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn a_flipped_bit_never_passes_as_the_same_event(event in any_event(), position in any::<prop::sample::Index>(), bit in 0..8) {
        let leaf = event.leaf().expect("it has a leaf");
        let mut flipped = leaf.clone();
        flipped[position.index(leaf.len())] ^= 1_u8 << bit;
        prop_assert_ne!(leaf_hash(&flipped), leaf_hash(&leaf));
        if let Ok(read) = AuditEvent::from_leaf(&flipped) {
            prop_assert_eq!(read.leaf().expect("it has a leaf"), flipped);
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(AuditEvent::from_leaf(&bytes).is_err());
    }
}

#[test]
fn an_event_that_is_told_once_has_an_id_that_follows_from_its_parts() {
    let id = AuditEvent::id_of(&[b"ab", b"c"]);
    assert_eq!(id, AuditEvent::id_of(&[b"ab", b"c"]));
    for other in [[b"a".as_slice(), b"bc"].as_slice(), &[b"abc"], &[b"ab", b"c", b""], &[b"c", b"ab"]] {
        assert_ne!(id, AuditEvent::id_of(other));
    }
}
