//! Which version of which rule applies.

use firemode_domain::classification::{Rule, latest, rule_for_item};
use serde_json::json;
use uuid::Uuid;

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
    let forwards = latest(&rules).expect("one is active").version.to_string();
    let backwards = latest(rules.iter().rev()).expect("one is active").version.to_string();
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
    assert_eq!(latest(&rules), Some(&rules[0]));
    rules[0].is_active = false;
    assert_eq!(latest(&rules), None);
    assert_eq!(rule_for_item(&rules, "A"), None);
}

#[test]
fn a_customer_replaces_a_shipped_rule_by_a_higher_version() {
    let rules = [version("R", "1.0.0", &["A"], None), version("R", "1.1.0", &["A"], ORGANISATION)];
    assert_eq!(rule_for_item(&rules, "A"), Some(&rules[1]));
}

#[test]
fn a_version_that_no_longer_covers_an_item_retires_the_older_one() {
    let rules = [version("R", "1.0.0", &["A", "B"], None), version("R", "2.0.0", &["A"], None)];
    assert_eq!(rule_for_item(&rules, "A"), Some(&rules[1]));
    assert_eq!(rule_for_item(&rules, "B"), None);
}

#[test]
fn an_own_rule_is_chosen_before_a_shipped_one_and_the_order_of_rows_does_not_matter() {
    let rules = [
        version("A-SHIPPED", "5.0.0", &["A"], None),
        version("Z-OWN", "1.0.0", &["A"], ORGANISATION),
        version("Y-OWN", "1.0.0", &["A"], ORGANISATION),
    ];
    assert_eq!(rule_for_item(&rules, "A"), Some(&rules[2]));
    assert_eq!(rule_for_item(rules.iter().rev(), "A"), Some(&rules[2]));
}

#[test]
fn of_two_equal_versions_the_organisations_own_applies() {
    let rules = [version("R", "1.0.0", &["A"], ORGANISATION), version("R", "1.0.0", &["A"], None)];
    assert_eq!(latest(&rules), Some(&rules[0]));
    assert_eq!(rule_for_item(&rules, "A"), Some(&rules[0]));
}
