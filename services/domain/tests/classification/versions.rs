//! Which version of which rule applies.

use firemode_domain::classification::{Occasion, Rule, in_force, rule_for_item};
use firemode_domain::place::Jurisdiction::{NewSouthWales, Queensland};
use serde_json::json;
use time::macros::date;
use uuid::Uuid;

use super::SOME_DAY;

const ORGANISATION: Option<Uuid> = Some(Uuid::from_u128(7));

fn version(code: &str, version: &str, item_codes: &[&str], organisation_id: Option<Uuid>) -> Rule {
    let schema = json!({
        "section": 10,
        "item_codes": item_codes,
        "item": "item",
        "conditions": { "missing": { "classification": "non_conformance" } }
    });
    Rule::parse(code, version, schema, organisation_id).expect("valid")
}

fn latest_of(versions: &[&str]) -> String {
    let rules: Vec<_> = versions.iter().map(|text| version("R", text, &["A"], None)).collect();
    let forwards = in_force(&rules, SOME_DAY).expect("one is active").version.to_string();
    let backwards = in_force(rules.iter().rev(), SOME_DAY).expect("one is active").version.to_string();
    assert_eq!(forwards, backwards, "the order of the rows must not matter");
    forwards
}

#[test]
fn versions_are_ordered_by_precedence_and_not_by_text() {
    assert_eq!(latest_of(&["1.9.0", "1.10.0", "1.2.0"]), "1.10.0");
    assert_eq!(latest_of(&["9.0.0", "10.0.0"]), "10.0.0");
}

#[test]
fn a_pre_release_stands_below_its_release() {
    assert_eq!(latest_of(&["2.0.0-rc.1", "2.0.0"]), "2.0.0");
    assert_eq!(latest_of(&["1.9.9", "2.0.0-rc.1"]), "2.0.0-rc.1");
    // The example of semver.org, section 11.
    let chain =
        ["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11"];
    for pair in chain.windows(2) {
        assert_eq!(latest_of(pair), pair[1]);
    }
}

#[test]
fn an_inactive_version_is_never_the_latest() {
    let mut rules = vec![version("R", "1.0.0", &["A"], None), version("R", "2.0.0", &["A"], None)];
    rules[1].is_active = false;
    assert_eq!(in_force(&rules, SOME_DAY), Some(&rules[0]));
    rules[0].is_active = false;
    assert_eq!(in_force(&rules, SOME_DAY), None);
    assert_eq!(rule_for_item(&rules, "A", SOME_DAY), None);
}

#[test]
fn a_customers_own_rule_stands_before_a_shipped_one_whatever_its_version() {
    for own in ["0.1.0", "1.0.0", "1.1.0"] {
        let rules = [version("R", "1.0.0", &["A"], None), version("R", own, &["A"], ORGANISATION)];
        assert_eq!(rule_for_item(&rules, "A", SOME_DAY), Some(&rules[1]), "{own}");
    }
}

#[test]
fn a_version_that_no_longer_covers_an_item_retires_the_older_one() {
    let rules = [version("R", "1.0.0", &["A", "B"], None), version("R", "2.0.0", &["A"], None)];
    assert_eq!(rule_for_item(&rules, "A", SOME_DAY), Some(&rules[1]));
    assert_eq!(rule_for_item(&rules, "B", SOME_DAY), None);
}

#[test]
fn an_own_rule_is_chosen_before_a_shipped_one_and_the_order_of_rows_does_not_matter() {
    let rules = [
        version("A-SHIPPED", "5.0.0", &["A"], None),
        version("Z-OWN", "1.0.0", &["A"], ORGANISATION),
        version("Y-OWN", "1.0.0", &["A"], ORGANISATION),
    ];
    assert_eq!(rule_for_item(&rules, "A", SOME_DAY), Some(&rules[2]));
    assert_eq!(rule_for_item(rules.iter().rev(), "A", SOME_DAY), Some(&rules[2]));
}

#[test]
fn a_version_decides_from_its_day_on() {
    let mut rules = [version("R", "1.0.0", &["A"], None), version("R", "2.0.0", &["A"], None)];
    rules[1].effective_from = Some(date!(2026 - 12 - 01));
    let on =
        |day| rule_for_item(&rules, "A", Occasion { day, ..SOME_DAY }).map(|rule| rule.version.to_string());
    assert_eq!(on(date!(2026 - 11 - 30)).as_deref(), Some("1.0.0"));
    assert_eq!(on(date!(2026 - 12 - 01)).as_deref(), Some("2.0.0"));
}

#[test]
fn a_rule_of_the_jurisdiction_stands_before_a_general_one_and_its_own_before_both() {
    let mut rules = [
        version("R", "3.0.0", &["A"], None),
        version("R", "1.0.0", &["A"], None),
        version("Z", "9.0.0", &["A"], None),
        version("R", "0.1.0", &["A"], ORGANISATION),
    ];
    rules[1].jurisdiction = Some(Queensland);
    let at = |rules: &[Rule], jurisdiction| {
        let occasion = Occasion { jurisdiction, ..SOME_DAY };
        rule_for_item(rules, "A", occasion).map(|rule| format!("{} {}", rule.code, rule.version))
    };
    assert_eq!(at(&rules[..3], Some(Queensland)).as_deref(), Some("R 1.0.0"));
    assert_eq!(at(&rules[..2], Some(NewSouthWales)).as_deref(), Some("R 3.0.0"));
    assert_eq!(at(&rules[..2], None).as_deref(), Some("R 3.0.0"));
    assert_eq!(at(&rules[..3], None).as_deref(), Some("Z 9.0.0"), "of equals the highest version");
    assert_eq!(at(&rules, Some(Queensland)).as_deref(), Some("R 0.1.0"));
}
