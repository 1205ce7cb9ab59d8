//! RFC 8785: its published examples, and laws over any JSON.

use firemode_domain::audit::{CanonicalError, DEPTH_MAX, canonical_json};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::any_json;

fn canonical(value: &Value) -> String {
    String::from_utf8(canonical_json(value).expect("it has a canonical form")).expect("UTF-8")
}

#[test]
fn the_example_of_sections_3_2_2_to_3_2_4() {
    let input = r#"{
        "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
        "literals": [null, true, false]
    }"#;
    let expected = concat!(
        r#"{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"#,
        r#""string":"€$\u000f\nA'B\"\\\\\"/"}"#
    );
    let value: Value = serde_json::from_str(input).expect("JSON");
    assert_eq!(canonical(&value), expected);
}

#[test]
fn members_are_sorted_by_utf_16_code_units_as_in_section_3_2_3() {
    let input = r#"{
        "\u20ac": "Euro Sign",
        "\r": "Carriage Return",
        "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One",
        "\ud83d\ude00": "Emoji: Grinning Face",
        "\u0080": "Control",
        "\u00f6": "Latin Small Letter O With Diaeresis"
    }"#;
    let expected = concat!(
        "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",",
        "\"ö\":\"Latin Small Letter O With Diaeresis\",\"€\":\"Euro Sign\",",
        "\"😀\":\"Emoji: Grinning Face\",\"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}"
    );
    let value: Value = serde_json::from_str(input).expect("JSON");
    assert_eq!(canonical(&value), expected);
}

#[test]
fn the_number_samples_of_appendix_b() {
    for (bits, expected) in [
        (0x0000000000000000, "0"),
        (0x8000000000000000, "0"),
        (0x0000000000000001, "5e-324"),
        (0x8000000000000001, "-5e-324"),
        (0x7fefffffffffffff, "1.7976931348623157e+308"),
        (0xffefffffffffffff, "-1.7976931348623157e+308"),
        (0x4340000000000000, "9007199254740992"),
        (0xc340000000000000, "-9007199254740992"),
        (0x4430000000000000, "295147905179352830000"),
        (0x44b52d02c7e14af5, "9.999999999999997e+22"),
        (0x44b52d02c7e14af6, "1e+23"),
        (0x44b52d02c7e14af7, "1.0000000000000001e+23"),
        (0x444b1ae4d6e2ef4e, "999999999999999700000"),
        (0x444b1ae4d6e2ef4f, "999999999999999900000"),
        (0x444b1ae4d6e2ef50, "1e+21"),
        (0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"),
        (0x3eb0c6f7a0b5ed8d, "0.000001"),
        (0x41b3de4355555553, "333333333.3333332"),
        (0x41b3de4355555554, "333333333.33333325"),
        (0x41b3de4355555555, "333333333.3333333"),
        (0x41b3de4355555556, "333333333.3333334"),
        (0x41b3de4355555557, "333333333.33333343"),
        (0xbecbf647612f3696, "-0.0000033333333333333333"),
        (0x43143ff3c1cb0959, "1424953923781206.2"),
    ] {
        assert_eq!(canonical(&json!(f64::from_bits(bits))), expected, "{bits:016x}");
    }
}

#[test]
fn a_power_of_two_reads_back_although_its_neighbours_lie_at_two_distances() {
    for exponent_bits in 1..=2046_u64 {
        let double = f64::from_bits(exponent_bits << 52);
        assert_eq!(canonical(&json!(double)).parse(), Ok(double), "{double:e}");
    }
}

#[test]
fn control_characters_are_escaped_and_nothing_else() {
    let text = "\u{0}\u{7}\u{8}\t\n\u{b}\u{c}\r\u{1f} \"/\\\u{7f}\u{2028}é";
    let expected = "\"\\u0000\\u0007\\b\\t\\n\\u000b\\f\\r\\u001f \\\"/\\\\\u{7f}\u{2028}é\"";
    assert_eq!(canonical(&json!(text)), expected);
}

#[test]
fn an_integer_that_a_double_would_change_is_refused() {
    for kept in [0, 1, -1, (1 << 53) - 1, 1 << 53, -(1_i64 << 53)] {
        assert_eq!(canonical(&json!(kept)), kept.to_string());
    }
    for lost in [
        json!((1_i64 << 53) + 1),
        json!(-(1_i64 << 53) - 1),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(u64::MAX),
    ] {
        assert_eq!(canonical_json(&lost), Err(CanonicalError::Integer(lost.to_string())));
    }
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth| {
        (0..depth).fold(json!(1), |inner, n| if n % 2 == 0 { json!([inner]) } else { json!({ "a": inner }) })
    };
    assert!(canonical_json(&nested(DEPTH_MAX)).is_ok());
    assert_eq!(canonical_json(&nested(DEPTH_MAX + 1)), Err(CanonicalError::Depth));
}

proptest! {
    #[test]
    fn reading_and_writing_again_changes_nothing(value in any_json()) {
        let once = canonical(&value);
        let read: Value = serde_json::from_str(&once).expect("canonical JSON is JSON");
        prop_assert_eq!(canonical(&read), once);
    }

    #[test]
    fn layout_and_order_of_the_input_do_not_matter(value in any_json()) {
        let pretty = serde_json::to_string_pretty(&value).expect("serialisable");
        let read: Value = serde_json::from_str(&pretty).expect("JSON");
        prop_assert_eq!(canonical(&read), canonical(&value));
    }

    #[test]
    #[expect(clippy::cast_precision_loss, reason = "the range is what a double keeps")]
    fn an_integer_is_written_as_its_double_is(integer in -(1_i64 << 53)..=1 << 53) {
        prop_assert_eq!(canonical(&json!(integer)), canonical(&json!(integer as f64)));
    }

    #[test]
    fn a_number_reads_back_to_the_same_double(bits in any::<u64>()) {
        let double = f64::from_bits(bits);
        prop_assume!(double.is_finite());
        let read: f64 = canonical(&json!(double)).parse().expect("a number");
        prop_assert_eq!(read, double);
    }
}
