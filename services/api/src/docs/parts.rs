//! Parts of bodies: what is written where it is used and has a name elsewhere refers to that, so that generators make one type of it.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::openapi::schema::{AdditionalProperties, ArrayItems};
use utoipa::openapi::{Components, Ref, RefOr, Schema};

/// What says nothing of a schema's form.
const WORDS: [&str; 3] = ["description", "example", "examples"];

/// Puts references in the place of parts that have the form of a named schema.
pub(super) fn refer(components: &mut Components) {
    let known = named(components);
    for schema in components.schemas.values_mut() {
        if let RefOr::T(schema) = schema {
            replace_inside(schema, &known);
        }
    }
}

/// The names of objects and words, by their forms; those of a form that two have are no use.
fn named(components: &Components) -> BTreeMap<String, String> {
    let mut known: BTreeMap<String, Vec<&String>> = BTreeMap::new();
    for (name, schema) in &components.schemas {
        if let RefOr::T(Schema::Object(object)) = schema
            && (object.enum_values.is_some() || !object.properties.is_empty())
        {
            known.entry(form(&Schema::Object(object.clone()))).or_default().push(name);
        }
    }
    let only = |(form, names): (String, Vec<&String>)| match names[..] {
        [name] => Some((form, name.clone())),
        _ => None,
    };
    known.into_iter().filter_map(only).collect()
}

fn form(schema: &Schema) -> String {
    let mut form = serde_json::to_value(schema).unwrap_or_default();
    if let Value::Object(members) = &mut form {
        WORDS.iter().for_each(|word| drop(members.remove(*word)));
    }
    form.to_string()
}

fn replace(part: &mut RefOr<Schema>, known: &BTreeMap<String, String>) {
    let RefOr::T(schema) = part else { return };
    if let Schema::Object(object) = schema
        && let Some(name) = known.get(&form(&Schema::Object(object.clone())))
    {
        let mut reference = Ref::from_schema_name(name);
        reference.description = object.description.take().unwrap_or_default();
        *part = RefOr::Ref(reference);
        return;
    }
    replace_inside(schema, known);
}

fn replace_inside(schema: &mut Schema, known: &BTreeMap<String, String>) {
    let are_choices = matches!(schema, Schema::OneOf(_));
    for part in inner(schema) {
        replace(part, known);
        // Beside words, a generator (openapi-generator) does not see that the choice is a type of its own.
        if let RefOr::Ref(reference) = part
            && are_choices
        {
            reference.description.clear();
        }
    }
}

/// The schemas that a schema is made of.
fn inner(schema: &mut Schema) -> Vec<&mut RefOr<Schema>> {
    match schema {
        Schema::Object(object) => {
            let further = match object.additional_properties.as_deref_mut() {
                Some(AdditionalProperties::RefOr(values)) => Some(values),
                _ => None,
            };
            object.properties.values_mut().chain(further).collect()
        }
        Schema::Array(array) => match &mut array.items {
            ArrayItems::RefOrSchema(items) => vec![&mut **items],
            ArrayItems::False => Vec::new(),
        },
        // A list that stands in the place of one of its rows is told from that by having none of its names.
        Schema::OneOf(several) => {
            several.items.iter_mut().filter(|item| !matches!(item, RefOr::T(Schema::Array(_)))).collect()
        }
        Schema::AllOf(several) => several.items.iter_mut().collect(),
        Schema::AnyOf(several) => several.items.iter_mut().collect(),
        _ => Vec::new(),
    }
}
