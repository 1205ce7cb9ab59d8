//! `firemode rules check`: what the API would say of a file with rules.

use std::fs;

use serde_json::{Value, json};

use crate::rules::pressure;
use crate::support::stack::command;
use crate::support::{Folder, Organisation, Stack};

/// Exit code, and what is printed.
fn check(text: &str) -> (i32, String) {
    let folder = Folder::new();
    let file = folder.path().join("rules.json");
    fs::write(&file, text).unwrap();
    let output = command(folder.path()).args(["rules", "check"]).arg(&file).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

/// A rule with faults of each kind: of its code, of its form, and of what it means.
fn bad() -> Value {
    let mut rule = pressure("own", "1.0.0", "critical_defect");
    rule["rule_schema"]["thresholds"] =
        json!({"m": {"unit": "buckets", "limits": [{"min": 1, "classification": "critical_defect"}]}});
    rule
}

#[test]
fn good_rules_are_named_and_bad_ones_have_their_faults_by_place() {
    let good = pressure("OWN-PRESSURE", "1.0.0", "critical_defect");
    assert_eq!(check(&good.to_string()), (0, "OWN-PRESSURE 1.0.0: good\n".to_owned()));
    let newer = pressure("OWN-PRESSURE", "1.1.0", "critical_defect");
    let (code, said) = check(&json!([good, newer, good, bad()]).to_string());
    assert_eq!(code, 65);
    let places: Vec<&str> = said.lines().map(|line| line.split(": ").next().unwrap()).collect();
    let expected = [
        "OWN-PRESSURE 1.0.0",
        "OWN-PRESSURE 1.1.0",
        "[2].version",
        "[3].rule_code",
        "/3/rule_schema/thresholds/m/unit",
    ];
    assert_eq!(places, expected, "{said}");
}

#[test]
fn the_command_says_what_the_api_says() {
    let ours = Organisation::register(Stack::shared()).admin;
    let mut never = pressure("OWN-PRESSURE", "1.0.0", "critical_defect");
    let test = |value: bool| json!({"field": "alone", "operator": "equals", "value": value});
    never["rule_schema"]["predicates"] =
        json!([{"when": [test(true), test(false)], "classification": "critical_defect"}]);
    for rule in [bad(), never] {
        let answer = ours.post("/v1/rules", &rule).expect(422);
        let (code, said) = check(&rule.to_string());
        assert_eq!(code, 65);
        for fault in answer["errors"].as_array().unwrap() {
            let place = fault.get("pointer").unwrap_or(&fault["field"]).as_str().unwrap();
            let line = format!("{place}: {}\n", fault["message"].as_str().unwrap());
            assert!(said.contains(&line), "{line} is not in {said}");
        }
    }
}

#[test]
fn what_is_no_json_or_no_file_is_said() {
    for (text, place) in [
        ("{", "(file)"),
        ("", "(file)"),
        ("[7]", "[0]."),
        (r#"{"version": "1.0.0", "version": "1.0.0"}"#, "version"),
    ] {
        let (code, said) = check(text);
        assert_eq!(code, 65, "{text}: {said}");
        assert!(said.starts_with(place), "{text}: {said}");
    }
    let output = command(Folder::new().path()).args(["rules", "check", "/nowhere.json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}
