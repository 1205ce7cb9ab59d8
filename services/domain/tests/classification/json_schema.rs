//! The published JSON Schema says the same as the code.

use firemode_domain::classification::{
    Classification, Operator, RULE_JSON_SCHEMA, RuleSchema, shipped_rules, units,
};
use jsonschema::Validator;
use serde_json::{Value, json};

use super::full_schema;

fn document() -> Value {
    serde_json::from_str(RULE_JSON_SCHEMA).expect("the schema is JSON")
}

fn validator() -> Validator {
    let document = document();
    jsonschema::meta::validate(&document).expect("the schema is valid under its own meta-schema");
    jsonschema::draft202012::new(&document).expect("the schema compiles")
}

#[test]
fn every_shipped_rule_is_valid_under_both() {
    let validator = validator();
    for rule in shipped_rules() {
        let schema = serde_json::to_value(&rule.schema).expect("serialisable");
        assert!(validator.is_valid(&schema), "{}: {:?}", rule.code, validator.validate(&schema).err());
        assert_eq!(RuleSchema::parse(schema).as_ref(), Ok(&rule.schema));
    }
}

#[test]
fn enumerations_agree() {
    let document = document();
    let classes = Classification::ALL.map(Classification::as_str);
    assert_eq!(document["$defs"]["classification"]["enum"], json!(classes));
    let operators = Operator::ALL.map(|(name, _)| name);
    assert_eq!(document["$defs"]["test"]["properties"]["operator"]["enum"], json!(operators));
    let units: Vec<&str> = units().collect();
    assert_eq!(document["$defs"]["threshold"]["properties"]["unit"]["enum"], json!(units));
}

/// The paths of every value inside a document, the document itself first.
fn pointers(value: &Value) -> Vec<String> {
    fn collect(value: &Value, path: String, found: &mut Vec<String>) {
        found.push(path.clone());
        match value {
            Value::Object(members) => {
                members.iter().for_each(|(name, member)| collect(member, format!("{path}/{name}"), found));
            }
            Value::Array(entries) => {
                entries
                    .iter()
                    .enumerate()
                    .for_each(|(n, entry)| collect(entry, format!("{path}/{n}"), found));
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    collect(value, String::new(), &mut found);
    found
}

fn without(document: &Value, pointer: &str) -> Option<Value> {
    let (parent, name) = pointer.rsplit_once('/')?;
    let mut document = document.clone();
    match document.pointer_mut(parent)? {
        Value::Object(members) => members.remove(name),
        Value::Array(entries) => Some(entries.remove(name.parse().ok()?)),
        _ => None,
    }?;
    Some(document)
}

/// The full rule with one change at one place: removed, replaced, or an unknown field added.
fn variants() -> Vec<(String, Value)> {
    let replacements = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(3),
        json!(3.0),
        json!(1.5),
        json!(14),
        json!(15),
        json!(""),
        json!(" "),
        json!("two\nlines"),
        json!("lower_case"),
        json!("UPPER-CASE"),
        json!("DOUBLE--HYPHEN"),
        json!("kPa"),
        json!("10.4"),
        json!("critical_defect"),
        json!("x".repeat(65)),
        json!("x y ".repeat(40)),
        json!("x y ".repeat(60)),
        json!("x y ".repeat(130)),
        json!([]),
        json!([1]),
        json!(["A"]),
        json!([1, 2]),
        json!([1, "a"]),
        json!({}),
    ];
    let full = full_schema();
    let mut variants = vec![("unchanged".to_owned(), full.clone())];
    for pointer in pointers(&full) {
        variants.extend(without(&full, &pointer).map(|variant| (format!("{pointer} removed"), variant)));
        for replacement in &replacements {
            let mut variant = full.clone();
            *variant.pointer_mut(&pointer).expect("a path of the document") = replacement.clone();
            variants.push((format!("{pointer} = {replacement}"), variant));
        }
        let mut variant = full.clone();
        if let Some(Value::Object(members)) = variant.pointer_mut(&pointer) {
            members.insert("Unknown field".into(), json!(1));
            variants.push((format!("{pointer} with an unknown field"), variant));
        }
    }
    variants
}

/// Problems that only the code can see, because they concern two places of a rule.
fn is_beyond_json_schema(message: &str) -> bool {
    [
        "is not one of the conditions",
        "has the name of a condition",
        "never decides",
        "is above a max",
        "is the same limit",
    ]
    .iter()
    .any(|beyond| message.contains(beyond))
}

#[test]
fn the_schema_and_the_code_refuse_the_same_variants() {
    let validator = validator();
    let (mut accepted, mut refused) = (0, 0);
    for (name, variant) in variants() {
        let by_code = RuleSchema::parse(variant.clone());
        let by_schema = validator.is_valid(&variant);
        match by_code {
            Ok(_) => {
                assert!(by_schema, "{name}: only the JSON Schema refuses it");
                accepted += 1;
            }
            Err(invalid)
                if invalid.problems.iter().all(|problem| is_beyond_json_schema(&problem.message)) => {}
            Err(invalid) => {
                assert!(!by_schema, "{name}: only the code refuses it: {invalid}");
                refused += 1;
            }
        }
    }
    assert!(accepted > 50 && refused > 1_000, "{accepted} accepted, {refused} refused");
}
