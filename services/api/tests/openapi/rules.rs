//! What counts as a break, and what does not.

use serde_json::{Value, json};

use crate::breaks::between;

/// One operation that takes and gives a door.
fn document() -> Value {
    let door = |side: &str| json!({"$ref": format!("#/components/schemas/{side}")});
    let schema = |side| {
        json!({
            "type": "object", "required": ["label"], "additionalProperties": false,
            "properties": {
                "label": {"type": "string", "maxLength": 100},
                "state": {"type": ["string", "null"], "enum": ["open", "shut", null]},
                "parts": {"type": "array", "items": {"oneOf": [{"type": "string"}, door(side)]}},
            },
        })
    };
    json!({
        "paths": {"/doors": {"post": {
            "operationId": "add_door", "x-roles": ["manager", "technician"],
            "parameters": [{"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 100}}],
            "requestBody": {"content": {"application/json": {"schema": door("Sent")}}},
            "responses": {
                "201": {"headers": {"ETag": {}}, "content": {"application/json": {"schema": door("Given")}}},
                "404": {"description": "No such building."},
            },
        }}},
        "components": {"schemas": {"Sent": schema("Sent"), "Given": schema("Given")}},
    })
}

/// What a change of one place breaks; null removes it.
fn change(place: &str, value: Value) -> Vec<String> {
    let old = document();
    let mut new = old.clone();
    let (parent, name) = place.rsplit_once('/').expect("a place has a parent");
    let name = name.replace("~1", "/");
    match new.pointer_mut(parent).unwrap_or_else(|| panic!("there is no {parent}")) {
        Value::Object(members) if value.is_null() => drop(members.remove(&name)),
        Value::Object(members) => drop(members.insert(name, value)),
        Value::Array(values) => values[name.parse::<usize>().expect("an index")] = value,
        _ => panic!("{parent} has no members"),
    }
    between(&old, &new).into_iter().collect()
}

const POST: &str = "/paths/~1doors/post";
const SENT: &str = "/components/schemas/Sent";
const GIVEN: &str = "/components/schemas/Given";

#[test]
fn what_is_removed_or_narrowed_breaks_clients() {
    for (place, value, wanted) in [
        ("/paths/~1doors".to_owned(), json!(null), "POST /doors is removed"),
        (format!("{POST}/operationId"), json!("new_door"), "another operationId"),
        (format!("{POST}/x-roles/1"), json!("admin"), "closed to \"technician\""),
        (format!("{POST}/parameters"), json!(null), "no parameter \"limit\""),
        (format!("{POST}/parameters/0/required"), json!(true), "must be given the parameter \"limit\""),
        (format!("{POST}/parameters/0/schema/maximum"), json!(50), "stricter maximum"),
        (format!("{POST}/requestBody/required"), json!(true), "must be given a body"),
        (format!("{POST}/requestBody/content"), json!({"text/plain": {}}), "no application/json"),
        (format!("{POST}/responses/201"), json!(null), "never answers 201"),
        (format!("{POST}/responses/201/headers"), json!(null), "without the header ETag"),
        (format!("{SENT}/properties/state"), json!(null), "Sent.state is removed"),
        (format!("{SENT}/properties/state/type"), json!("string"), "Sent.state no longer takes"),
        (format!("{SENT}/properties/state/enum"), json!(["open", null]), "fewer values: \"shut\""),
        (format!("{SENT}/properties/label/enum"), json!(["A", "B"]), "fewer values"),
        (format!("{SENT}/properties/label/maxLength"), json!(50), "stricter maxLength"),
        (format!("{SENT}/properties/label/minLength"), json!(1), "stricter minLength"),
        (format!("{SENT}/properties/label/pattern"), json!("^A"), "another pattern"),
        (format!("{SENT}/required"), json!(["label", "state"]), "Sent must have state"),
        (format!("{SENT}/properties/parts/items"), json!({"type": "string"}), "refuses a form"),
        (format!("{GIVEN}/properties/state"), json!(null), "Given.state is removed"),
        (format!("{GIVEN}/properties/label/type"), json!(["string", "null"]), "Given.label may be"),
        (format!("{GIVEN}/required"), json!(null), "Given may lack label"),
        (
            format!("{GIVEN}/properties/parts/items/oneOf/0/type"),
            json!("integer"),
            "a form that it did not have",
        ),
    ] {
        let found = change(&place, value);
        assert!(found.iter().any(|text| text.contains(wanted)), "{place}, '{wanted}': {found:?}");
    }
}

#[test]
fn what_is_added_or_widened_breaks_nobody() {
    for (place, value) in [
        ("/paths/~1windows".to_owned(), json!({"get": {}})),
        (format!("{POST}/summary"), json!("Adds a door")),
        (format!("{POST}/x-roles"), json!(["manager", "technician", "admin"])),
        (format!("{POST}/x-roles"), json!(["public"])),
        (format!("{POST}/parameters/0/schema/maximum"), json!(1000)),
        (format!("{POST}/responses/404"), json!(null)),
        (format!("{POST}/responses/409"), json!({})),
        (format!("{SENT}/properties/width"), json!({"type": "integer"})),
        (format!("{SENT}/properties/label/type"), json!(["string", "null"])),
        (format!("{SENT}/properties/label/maxLength"), json!(null)),
        (format!("{SENT}/properties/state/enum"), json!(["open", "shut", "wedged", null])),
        (format!("{SENT}/required"), json!(null)),
        (format!("{GIVEN}/properties/width"), json!({"type": "integer"})),
        (format!("{GIVEN}/properties/state/type"), json!("string")),
        (format!("{GIVEN}/properties/state/enum"), json!(["open", "shut", "wedged", null])),
        (format!("{GIVEN}/properties/parts/items"), json!({"type": "string"})),
        (format!("{GIVEN}/required"), json!(["label", "state"])),
    ] {
        assert_eq!(change(&place, value), Vec::<String>::new(), "{place}");
    }
}
