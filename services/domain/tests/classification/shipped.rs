//! The rules that the product ships.

use std::collections::{BTreeMap, BTreeSet};

use firemode_domain::classification::{
    Classification, ClassifyError, Provenance, classify, provenances, rule_for_item, shipped_rules,
};
use serde::Deserialize;
use serde_json::json;

use super::{SOME_DAY, observation};

#[derive(Deserialize)]
struct Cases {
    cases: Vec<Case>,
    edges: Vec<Edge>,
}

#[derive(Deserialize)]
struct Case {
    section: u8,
    item_code: String,
    observed_condition: String,
    classification: Classification,
}

#[derive(Deserialize)]
struct Edge {
    item_code: String,
    observed_condition: String,
    status: u16,
}

fn cases() -> Cases {
    serde_json::from_str(include_str!("../data/classification.json")).expect("the cases are readable")
}

fn status_of(item_code: &str, observed_condition: &str) -> u16 {
    let Some(rule) = rule_for_item(shipped_rules(), item_code, SOME_DAY) else { return 404 };
    match classify(rule, &observation(item_code, observed_condition, json!({}))) {
        Ok(_) => 200,
        Err(ClassifyError::UnknownItem { .. }) => 404,
        Err(_) => 422,
    }
}

#[test]
fn every_case_comes_out_as_a_practitioner_says() {
    let cases = cases().cases;
    assert_eq!(cases.len(), 15);
    for case in cases {
        let name = format!("{} {}", case.item_code, case.observed_condition);
        let rule = rule_for_item(shipped_rules(), &case.item_code, SOME_DAY)
            .unwrap_or_else(|| panic!("{name}: no rule"));
        let outcome = classify(rule, &observation(&case.item_code, &case.observed_condition, json!({})))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(outcome.classification, case.classification, "{name}");
        assert_eq!(rule.schema.section(), case.section, "{name}");
        assert_eq!(outcome.rule_code, format!("AS1851-{:02}-{}", case.section, case.item_code));
        assert_eq!(outcome.version.to_string(), "1.0.0");
    }
}

#[test]
fn every_edge_is_refused_as_the_contract_says() {
    let edges = cases().edges;
    assert_eq!(edges.len(), 2);
    for edge in edges {
        assert_eq!(status_of(&edge.item_code, &edge.observed_condition), edge.status, "{}", edge.item_code);
    }
}

#[test]
fn the_only_extinguisher_of_an_area_is_not_one_of_many() {
    let rule = rule_for_item(shipped_rules(), "EXT-PRESSURE", SOME_DAY).expect("shipped");
    let class = |context| {
        classify(rule, &observation("EXT-PRESSURE", "pressure_low", context))
            .expect("classified")
            .classification
    };
    assert_eq!(class(json!({ "only_in_area": true })), Classification::CriticalDefect);
    assert_eq!(class(json!({ "only_in_area": false })), Classification::NonCriticalDefect);
    assert_eq!(class(json!({})), Classification::NonCriticalDefect);
}

#[test]
fn every_section_has_rules() {
    let sections: BTreeSet<u8> = shipped_rules().iter().map(|rule| rule.schema.section()).collect();
    assert_eq!(sections, (2..=14).collect());
}

#[test]
fn codes_name_section_and_item_and_no_item_has_two_rules() {
    let mut rule_of_item = BTreeMap::new();
    for rule in shipped_rules() {
        assert!(rule.is_active && rule.organisation_id.is_none());
        let first_item = &rule.schema.item_codes()[0];
        assert_eq!(rule.code, format!("AS1851-{:02}-{first_item}", rule.schema.section()));
        for item_code in rule.schema.item_codes() {
            let other = rule_of_item.insert(item_code, &rule.code);
            assert_eq!(other, None, "{item_code} is covered twice");
        }
    }
}

#[test]
fn a_missing_baseline_record_is_a_non_conformance_in_every_rule_that_knows_it() {
    for rule in shipped_rules() {
        if let Some(mapping) = rule.schema.conditions().get("baseline_missing") {
            assert_eq!(mapping.classification, Classification::NonConformance, "{}", rule.code);
        }
    }
}

#[test]
fn a_rule_with_a_relative_limit_maps_the_missing_baseline() {
    use firemode_domain::classification::Bound;
    for rule in shipped_rules() {
        let is_relative =
            rule.schema.thresholds().values().flat_map(|threshold| &threshold.limits).any(|limit| {
                matches!(limit.bound, Bound::MinPercentOfBaseline(_) | Bound::MaxPercentOfBaseline(_))
            });
        assert!(!is_relative || rule.schema.conditions().contains_key("baseline_missing"), "{}", rule.code);
    }
}

#[test]
fn every_rule_says_where_it_comes_from_and_none_claims_to_be_more_than_a_sample() {
    assert_eq!(provenances().len(), shipped_rules().len());
    for (rule, provenance) in shipped_rules().iter().zip(provenances()) {
        let Provenance { kind, source, confidence, review } = provenance;
        assert_eq!(
            (kind.as_str(), review.as_str()),
            ("sample", "to be reviewed by a practitioner"),
            "{}",
            rule.code
        );
        assert!(!source.is_empty() && ["low", "medium"].contains(&confidence.as_str()), "{}", rule.code);
    }
}
