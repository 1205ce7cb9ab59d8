//! What a password must be.

use firemode_domain::password::{Weakness, check, check_length, normalised};

const CONTEXT: [&str; 3] = ["ada.lovelace@harbourfire.example", "Harbour Fire Services", "Ada Lovelace"];

#[test]
fn length_is_counted_in_characters_and_bounded() {
    assert_eq!(check_length("fourteen chars"), Err(Weakness::Short));
    assert_eq!(check_length("fifteen chars ok".trim_end_matches('k')), Ok(()));
    assert_eq!(check_length(&"ü".repeat(14)), Err(Weakness::Short));
    assert_eq!(check_length(&"u\u{308}".repeat(14)), Err(Weakness::Short), "composed before it is counted");
    assert_eq!(check_length(&"x".repeat(256)), Ok(()));
    assert_eq!(check_length(&"x".repeat(257)), Err(Weakness::Long));
    assert_eq!(check_length(&"🔥".repeat(256)), Ok(()));
    assert_eq!(check_length(&"👨‍👩‍👧".repeat(60)), Err(Weakness::Long), "bytes are bounded too");
}

#[test]
fn one_password_has_one_form() {
    assert_eq!(normalised("Zu\u{308}rich"), "Zürich");
    assert_eq!(normalised("Zürich"), "Zürich");
    assert_eq!(normalised("Ｗide"), "Ｗide", "nothing else is changed");
}

#[test]
fn what_is_guessed_first_is_refused() {
    for password in [
        "correct horse battery staple",
        "passwordpassword",
        "PasswordPassword!",
        "password12345678",
        "123456789012345",
        "aaaaaaaaaaaaaaaaaaaa",
        "abcabcabcabcabcabc",
        "qwertyuiopasdfghjkl",
        "Welcome Welcome 2026",
        "1qaz2wsx3edc4rfv",
        "This is my password",
        "Fire Safety Service 1",
        "zyxwvutsrqponmlk",
        "! ! ! ! ! ! ! ! ! ! !",
    ] {
        assert_eq!(check(password, &[]), Err(Weakness::Common), "{password}");
    }
}

#[test]
fn what_is_known_of_the_user_is_refused() {
    for password in [
        "ada.lovelace@harbourfire.example",
        "Lovelace-Harbour-2026",
        "HarbourFireServices1",
        "ada lovelace ada lovelace!",
        "FireMode FireMode lovelace 7",
    ] {
        let refused = check(password, &CONTEXT);
        assert!(matches!(refused, Err(Weakness::Personal | Weakness::Common)), "{password}: {refused:?}");
    }
    assert_eq!(check("lovelace of harbour", &CONTEXT), Err(Weakness::Personal));
    assert_eq!(check("lovelace of harbour", &[]), Ok(()), "only for her");
}

#[test]
fn sentences_pass_without_any_rule_of_composition() {
    for password in [
        "seven red valves under the stair",
        "my dragon ate the blue umbrella",
        "правильная лошадь батарея",
        "消火栓は階段の下にあります確認済",
        "xK9#mQ2$vL7@pR4n",
        "ada walks past seven lighthouses",
    ] {
        assert_eq!(check(password, &CONTEXT), Ok(()), "{password}");
    }
}
