//! Text that people read.

use firemode_domain::input::{Email, Line, Metadata, Text, comparison_key};

use crate::{fields, read, read_text};

type Name = Line<20>;

#[test]
fn a_line_is_normalised_and_not_refused_for_it() {
    for (sent, kept) in [
        ("Cafe\u{301}", "Café"),
        ("  Harbour \u{a0} Tower ", "Harbour Tower"),
        ("می\u{200c}خواهم", "می\u{200c}خواهم"),
        ("क\u{94d}\u{200d}ष", "क\u{94d}\u{200d}ष"),
        ("\u{2028}Tower\u{3000}1\u{2029}", "Tower 1"),
        ("\u{845b}\u{e0100}", "\u{845b}\u{e0100}"),
        ("\u{212b}", "Å"),
        ("a\u{fffd}", "a\u{fffd}"),
    ] {
        assert_eq!(&*read_text::<Name>(sent).unwrap(), kept, "{sent:?}");
    }
    // Its length is that of what is kept.
    assert_eq!(&*read_text::<Line<4>>(&format!("{}Cafe\u{301}", " ".repeat(100))).unwrap(), "Café");
}

#[test]
fn what_nobody_can_see_is_refused_by_name() {
    for sent in [
        "A\0",
        "A\u{7f}",
        "A\tB",
        "A\nB",
        "\u{85}",
        "A\u{200b}B",
        "\u{feff}A",
        "A\u{200d}",
        "1\u{200d}2",
        "A \u{200c}B",
        "A\u{ad}B",
        "A\u{202e}B",
        "A\u{2066}B",
        "A\u{3164}B",
        "A\u{2800}",
        "A\u{fe0f}",
        "A\u{e0041}",
        "A\u{ffff}",
        "A\u{34f}B",
        "A\u{180e}B",
    ] {
        let errors = read_text::<Name>(sent).unwrap_err();
        assert!(errors[0].message.contains("character U+"), "{sent:?}: {errors:?}");
    }
    let message = &read_text::<Name>("A\u{200b}B").unwrap_err()[0].message;
    assert_eq!(message, "has the invisible character U+200B; remove it");
}

#[test]
fn a_line_that_is_empty_or_too_long_is_refused() {
    for sent in ["", " ", "\u{a0}\u{3000}", &"x".repeat(21)] {
        assert_eq!(
            read_text::<Name>(sent).unwrap_err()[0].message,
            "must have 1 to 20 characters",
            "{sent:?}"
        );
    }
    assert!(read_text::<Name>(&"\u{20000}".repeat(20)).is_ok());
    assert_eq!(read::<Name>("7").unwrap_err()[0].message, "must be text");
}

#[test]
fn text_keeps_its_lines() {
    let text: Text<100> = read_text("  First  line \r\n\r\nsecond\tline\n\n").unwrap();
    assert_eq!(&*text, "First line\n\nsecond line");
    assert!(read_text::<Text<100>>("a\u{0}").is_err());
    assert!(read_text::<Text<100>>("\n \n").is_err());
}

#[test]
fn lines_that_look_alike_have_one_key() {
    for (one, other) in [
        ("Cafe\u{301}", "CAFÉ"),
        ("Straße 1", "STRASSE  1"),
        ("ΟΔΟΣ", "οδος"),
        ("ΟΔΟΣ", "οδοσ"),
        ("İstanbul", "i\u{307}stanbul"),
        ("\u{212a}elvin", "kelvin"),
        ("ſ", "S"),
        ("é\u{fe0f}", "É"),
    ] {
        assert_eq!(comparison_key(one), comparison_key(other), "{one:?} and {other:?}");
    }
    for (one, other) in [("Sarı", "Sari"), ("می\u{200c}خ", "میخ"), ("Tower 1", "Tower 11"), ("Ａ", "A")]
    {
        assert_ne!(comparison_key(one), comparison_key(other), "{one:?} and {other:?}");
    }
}

#[test]
fn an_address_is_counted_as_it_is_stored() {
    assert_eq!(&*read_text::<Email>(" Ada@Example.COM ").unwrap(), "ada@example.com");
    assert_eq!(&*read_text::<Email>("Zoe\u{308}@example.com").unwrap(), "zoë@example.com");
    let long = |count: usize| format!("{}@a.b", "İ".repeat(count));
    // Lower-casing makes two characters of each.
    assert!(read_text::<Email>(&long(125)).is_ok());
    assert!(read_text::<Email>(&long(126)).is_err());
    for sent in [
        "",
        "ada",
        "ada@localhost",
        "@example.com",
        "a@b@c.d",
        "a b@c.d",
        "a\u{200b}@c.d",
        "a\0@c.d",
        "a\u{a0}b@c.d",
    ] {
        assert!(read_text::<Email>(sent).is_err(), "{sent:?}");
    }
}

#[test]
fn metadata_is_normalised_to_its_leaves_and_every_fault_is_named() {
    let sent = "{\"Cafe\u{301} \": [{\"note\": \"  two  lines\\nhere \"}], \"n\": 1.5, \"ok\": null}";
    let Metadata(kept) = read(sent).unwrap();
    assert_eq!(
        serde_json::to_string(&kept).unwrap(),
        r#"{"Café":[{"note":"two lines\nhere"}],"n":1.5,"ok":null}"#
    );

    let faulty = r#"{"a": [{"b": "\u0000"}], "c\u200b": 1, "d": 9007199254740993, "e": "x\u200bx", "f": "F", "f ": "F"}"#;
    let mut named = fields(read::<Metadata>(faulty));
    named.sort();
    assert_eq!(named, ["a[0].b", "c\u{200b}", "d", "e", "f "]);
    assert_eq!(read::<Metadata>("[]").unwrap_err()[0].message, "must be a JSON object");
    let nested = |depth: usize| format!("{{\"a\": {}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert!(read::<Metadata>(&nested(90)).is_ok());
    assert_eq!(fields(read::<Metadata>(&nested(110))), ["(body)"]);
}
