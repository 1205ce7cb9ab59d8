//! Bodies that are declared field by field.

use std::collections::BTreeMap;

use firemode_domain::body;
use firemode_domain::input::{Day, Faults, Fields, Given, Input, Line, List, Members, Metadata, Whole};
use serde_json::{Value, json};

use crate::{fields, read};

body! {
    /// Something to be made.
    #[derive(Debug)]
    struct NewThing like {"name": "A thing"} {
        /// What people call it.
        name: Line<10> = "Thing",
        count: Option<Whole<1, 9>>,
        made_on: Given<Option<Day>>,
        parts: Option<List<Part, 1, 3>>,
        metadata: Option<Metadata>,
    }
}

body! {
    #[derive(Debug)]
    struct Part {
        label: Line<5>,
    }
}

#[test]
fn all_faults_are_told_at_once() {
    let body = r#"{"count": 12, "made_on": "soon", "parts": [{"label": "ok"}, {"label": "too long"}, {"lable": "x"}],
                   "metadata": {"a": 1, "a": 2}, "colour": "red"}"#;
    let mut named = fields(read::<NewThing>(body));
    named.sort();
    let wanted = [
        "colour",
        "count",
        "made_on",
        "metadata.a",
        "name",
        "parts[1].label",
        "parts[2].label",
        "parts[2].lable",
    ];
    assert_eq!(named, wanted);
}

#[test]
fn an_array_is_no_object() {
    for body in [r#"["Thing", 1]"#, "[]", "\"Thing\"", "null", "7"] {
        let errors = read::<NewThing>(body).unwrap_err();
        assert_eq!(
            (errors[0].field.as_str(), errors[0].message.as_str()),
            ("(body)", "must be a JSON object"),
            "{body}"
        );
    }
}

#[test]
fn null_clears_what_may_be_cleared_and_leaving_it_out_keeps() {
    let given = |body: &str| read::<NewThing>(body).unwrap().made_on.0;
    assert_eq!(given(r#"{"name": "a"}"#), None);
    assert_eq!(given(r#"{"name": "a", "made_on": null}"#), Some(None));
    assert!(given(r#"{"name": "a", "made_on": "2021-03-01"}"#).flatten().is_some());
    assert_eq!(fields(read::<NewThing>(r#"{"name": null}"#)), ["name"]);
    assert!(read::<NewThing>(r#"{"name": "a", "count": null}"#).unwrap().count.is_none());
}

#[test]
fn a_form_is_read_by_the_same_declaration() {
    let form = |texts: &[(&str, &str)]| {
        let texts: BTreeMap<String, String> =
            texts.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let mut faults = Faults::default();
        let thing = NewThing::of_members(Members::of_texts(texts, &mut faults));
        faults.into_result(thing)
    };
    let thing = form(&[("name", "a"), ("count", "3"), ("metadata", r#"{"a": "b  c"}"#)]).unwrap();
    assert_eq!(thing.count.unwrap().get(), 3);
    assert_eq!(thing.metadata.unwrap().0["a"], "b c");
    let mut named = fields(form(&[("count", "x"), ("metadata", "{"), ("nmae", "a")]));
    named.sort();
    assert_eq!(named, ["count", "metadata", "name", "nmae"]);
}

#[test]
fn the_schema_says_what_the_types_take() {
    let schema = serde_json::to_value(<NewThing as Input>::schema()).unwrap();
    assert_eq!(schema["description"], "Something to be made.");
    assert_eq!(schema["example"], json!({"name": "A thing"}));
    assert_eq!(schema["required"], json!(["name"]));
    assert_eq!(schema["additionalProperties"], Value::Bool(false));
    let name = json!({"type": "string", "minLength": 1, "maxLength": 10, "description": "What people call it.",
                      "example": "Thing"});
    assert_eq!(schema["properties"]["name"], name);
    assert_eq!(
        schema["properties"]["count"],
        json!({"type": ["integer", "null"], "minimum": 1, "maximum": 9})
    );
    assert_eq!(schema["properties"]["parts"]["maxItems"], 3);
    assert_eq!(schema["properties"]["parts"]["type"], json!(["array", "null"]));
}
