//! The reader of JSON, against the one that everybody uses.

use firemode_domain::input::{At, FAULTS_MAX, Faults, FieldError, parse};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

fn parsed(text: &[u8]) -> Result<(Value, Vec<FieldError>), String> {
    let mut faults = Faults::default();
    let value = parse(text, &At::Body, &mut faults).map_err(|malformed| malformed.to_string())?;
    let errors = faults.into_result(Some(())).err().unwrap_or_default();
    Ok((value, errors))
}

fn faults(text: &str) -> Vec<String> {
    let (_, errors) = parsed(text.as_bytes()).expect("it is JSON");
    errors.into_iter().map(|error| error.field).collect()
}

#[test]
fn a_member_that_is_there_twice_is_named_and_the_first_is_read() {
    assert_eq!(faults(r#"{"a": 1, "b": {"c": [0, {"d": 1, "d": 2}]}, "a": 2}"#), ["b.c[1].d", "a"]);
    assert_eq!(faults(r#"{"a": 1, "\u0061": 1}"#), ["a"]);
    assert_eq!(faults(r#"[{"a": 1}, {"a": 1}]"#), [""; 0]);
}

#[test]
fn a_number_that_cannot_be_kept_is_named() {
    let wide = r#"{"a": 18446744073709551616, "b": [-9223372036854775809, 1e400], "c": {"d": -1e999}}"#;
    assert_eq!(faults(wide), ["a", "b[0]", "b[1]", "c.d"]);
    let kept =
        "[18446744073709551615, -9223372036854775808, 1e308, 0.1, 1e-400, -0, 100000000000000000000.0]";
    let (value, errors) = parsed(kept.as_bytes()).unwrap();
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(value, serde_json::from_str::<Value>(kept).unwrap());
}

#[test]
fn half_a_surrogate_pair_is_read_as_a_replacement_character() {
    for (text, read) in [
        (r#""\ud83d""#, "\u{fffd}"),
        (r#""\ude00a""#, "\u{fffd}a"),
        (r#""\ud83dx""#, "\u{fffd}x"),
        (r#""\ud83d\n""#, "\u{fffd}\n"),
        (r#""\ud83d\ud83d\ude00""#, "\u{fffd}\u{1f600}"),
        (r#""\ud83d\ude00""#, "\u{1f600}"),
        (r#""\ud83dA""#, "\u{fffd}A"),
        (r#""\udfff\ud800""#, "\u{fffd}\u{fffd}"),
    ] {
        assert_eq!(parsed(text.as_bytes()), Ok((json!(read), vec![])), "{text}");
    }
}

#[test]
fn what_is_no_json_is_told_with_its_place_and_in_plain_words() {
    for (text, told) in [
        ("", "nothing was sent where a JSON value is expected at line 1, column 1"),
        ("{\n  \"a\": tru\n}", "a value is expected at line 2, column 8"),
        ("{\"é\": 1,}", "a member's name in double quotes is expected at line 1, column 9"),
        ("[1 2]", "a comma or the end of the array is expected at line 1, column 4"),
        ("{\"a\" 1}", "a colon is expected at line 1, column 6"),
        ("[01]", "a comma or the end of the array is expected at line 1, column 3"),
        ("1.", "a digit is expected at line 1, column 3"),
        ("{} {}", "more follows where the end is expected at line 1, column 4"),
        ("\"a", "a string has no end at line 1, column 3"),
        ("\"\\u12g4\"", "\\u needs four hexadecimal digits at line 1, column 4"),
    ] {
        assert_eq!(parsed(text.as_bytes()).unwrap_err(), told, "{text}");
    }
    assert_eq!(parsed(b"[\"\xff\"]").unwrap_err(), "a byte is not UTF-8 at line 1, column 3");
    let control = parsed(b"\"a\x01\"").unwrap_err();
    assert!(control.starts_with("a control character stands in a string"), "{control}");
}

#[test]
fn nesting_has_an_end_and_so_have_the_faults() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(parsed(nested(127).as_bytes()).is_ok());
    assert!(
        parsed(nested(128).as_bytes()).unwrap_err().starts_with("arrays and objects are nested too deeply")
    );
    assert!(parsed("[".repeat(1_000_000).as_bytes()).is_err());
    let wide = format!("[{}]", vec!["1e999"; 500].join(","));
    assert_eq!(faults(&wide).len(), FAULTS_MAX);
}

/// Texts that look like JSON, and often are.
fn near_json() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just(","),
        Just(":"),
        Just("\"a\""),
        Just("\"\\n\\\"\""),
        Just("\"\\ud83d\\ude00\""),
        Just("\"\\u00e9\""),
        Just("1"),
        Just("-0"),
        Just("0"),
        Just("1.5e3"),
        Just("-12"),
        Just("1E+2"),
        Just("true"),
        Just("false"),
        Just("null"),
        Just(" "),
        Just("\n"),
        Just("-"),
        Just("."),
        Just("e"),
        Just("\\"),
        Just("\""),
        Just("é"),
        Just("\"\\x\""),
        Just("18446744073709551615"),
    ];
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((any::<String>(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_was_written_is_read(value in json_value(), is_pretty: bool) {
        let text = if is_pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        prop_assert_eq!(parsed(text.unwrap().as_bytes()), Ok((value, vec![])));
    }

    #[test]
    fn the_same_texts_are_json_as_everywhere(text in near_json()) {
        let theirs = serde_json::from_str::<Value>(&text);
        let ours = parsed(text.as_bytes());
        match theirs {
            // Of a member that is there twice, the common reader keeps the last.
            Ok(value) => {
                let (read, errors) = ours.unwrap();
                prop_assert!(!errors.is_empty() || read == value, "{text}: {read} and not {value}");
            }
            // A number without end is no JSON to it, and a fault under its path to ours.
            Err(error) if error.to_string().starts_with("number out of range") => {
                prop_assert!(ours.map_or(true, |(_, errors)| !errors.is_empty()), "{text} is read");
            }
            Err(error) => prop_assert!(ours.is_err(), "{text} is read: {error}"),
        }
    }

    #[test]
    fn no_bytes_bring_it_down(bytes in vec(any::<u8>(), 0..200)) {
        let _ = parsed(&bytes);
    }
}
