//! Times, days, numbers, ids and keys.

use firemode_domain::document::{Entry, VectorClock};
use firemode_domain::input::{At, ClientKey, Day, Faults, Input, Time, Whole};
use firemode_domain::role::Role;
use time::macros::{date, datetime};
use uuid::Uuid;

use crate::{fields, read, read_text};

#[test]
fn a_time_lies_between_1970_and_9999_in_utc() {
    for (sent, read) in [
        ("1970-01-01T00:00:00Z", datetime!(1970-01-01 0:00 UTC)),
        ("9999-12-31T23:59:59Z", datetime!(9999-12-31 23:59:59 UTC)),
        ("2026-11-21T19:30:00+11:00", datetime!(2026-11-21 8:30 UTC)),
    ] {
        assert_eq!(read_text::<Time>(sent).unwrap().get(), read, "{sent}");
    }
    for sent in [
        "9999-12-31T23:59:59-14:00",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+00:01",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "2026-02-30T00:00:00Z",
        "yesterday",
        "",
        "2026-11-21",
        "+10000-01-01T00:00:00Z",
    ] {
        assert!(read_text::<Time>(sent).is_err(), "{sent}");
    }
}

#[test]
fn a_day_lies_between_1800_and_9999() {
    assert_eq!(read_text::<Day>("1800-01-01").unwrap().get(), date!(1800 - 01 - 01));
    assert_eq!(read_text::<Day>("9999-12-31").unwrap().get(), date!(9999 - 12 - 31));
    for sent in [
        "-9999-01-01",
        "1799-12-31",
        "10000-01-01",
        "+2021-03-01",
        "2021-3-1",
        "2021-02-29",
        "0000-00-00",
        "",
    ] {
        assert!(read_text::<Day>(sent).is_err(), "{sent}");
    }
}

#[test]
fn numbers_words_and_ids_say_what_they_must_be() {
    for sent in ["1", "15", "2.5", "\"3\"", "null", "[3]", "-3", "99999999999999999999"] {
        assert_eq!(read::<Whole<2, 14>>(sent).unwrap_err().len(), 1, "{sent}");
    }
    assert_eq!(read::<Whole<2, 14>>("14").unwrap().to_i16(), 14);
    let message = &read::<Role>("\"owner\"").unwrap_err()[0].message;
    assert_eq!(message, "must be one of admin, manager, technician, auditor");
    let id = "019a0000-0000-7000-8000-00000000abcd";
    for spelling in [id.to_uppercase(), id.replace('-', ""), format!("{{{id}}}"), format!("urn:uuid:{id}")] {
        assert_eq!(read_text::<Uuid>(&spelling).unwrap().to_string(), id);
    }
    assert!(read_text::<ClientKey<4>>("a\u{200b}b").is_ok());
    assert!(read_text::<ClientKey<4>>("a\u{1}").is_err());
}

#[test]
fn every_entry_of_a_clock_and_every_field_of_an_operation_is_named() {
    assert_eq!(fields(read::<VectorClock>(r#"{"ab": "1", "cd": -1, "ef": 2}"#)), ["ab", "cd"]);
    assert_eq!(fields(read::<VectorClock>(r#"{"AB": 1}"#)), ["AB"]);
    let operation = r#"{"op": "move", "path": "x", "actor_id": "", "timestamp": "9999-12-31T23:59:59-14:00", "vlaue": 1,
                        "op_id": "a b"}"#;
    let mut named = fields(read::<Entry>(operation));
    named.sort();
    assert_eq!(named, ["actor_id", "op", "op_id", "path", "timestamp", "vlaue"]);
}

#[test]
fn a_path_has_no_control_characters() {
    let operation = r#"{"op": "delete", "path": "/items/a\u0000b", "actor_id": "t", "timestamp": "2026-11-21T08:30:00Z"}"#;
    assert_eq!(fields(read::<Entry>(operation)), ["path"]);
}

#[test]
fn the_value_of_an_operation_is_kept_as_it_was_sent() {
    let operation = r#"{"op": "set", "path": "/items/a/notes", "actor_id": "t", "timestamp": "2026-11-21T08:30:00Z",
                        "value": {"text": "e\u0301 \u0000\u200b  x\ud800", "at": "9999-12-31T23:59:59-14:00"}}"#;
    let Ok(Entry::Operation(operation)) = read::<Entry>(operation) else { panic!("it is refused") };
    let value = operation.value.unwrap();
    assert_eq!(value["text"], "e\u{301} \u{0}\u{200b}  x\u{fffd}");
    assert_eq!(value["at"], "9999-12-31T23:59:59-14:00");
}

#[test]
fn a_query_reads_the_same_types_from_text() {
    let mut faults = Faults::default();
    let at = At::named("x");
    assert_eq!(bool::read_text("true".into(), &at, &mut faults), Some(true));
    assert_eq!(Whole::<1, 100>::read_text("7".into(), &at, &mut faults).map(Whole::get), Some(7));
    assert!(faults.is_empty());
    assert_eq!(bool::read_text("1".into(), &at, &mut faults), None);
    assert_eq!(faults.into_result(Some(())).unwrap_err()[0].message, "must be true or false");
}
