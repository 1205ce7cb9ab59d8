//! What a change of a schema takes away, from those who send such values and from those who receive them.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::breaks::{members, values};

/// Who writes a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The client does: what was accepted must still be.
    Sent,
    /// The server does: what was promised must still hold. Values may be added to an enumeration.
    Received,
}

/// The two documents that references lead into.
pub(crate) struct Schemas<'a> {
    pub(crate) old: &'a Value,
    pub(crate) new: &'a Value,
}

/// Pairs of schemas that are being compared: schemas hold themselves.
type Open = Vec<(String, String)>;

impl Schemas<'_> {
    /// What is taken away at the place `at`.
    pub(crate) fn breaks(&self, at: &str, old: &Value, new: &Value, side: Side) -> BTreeSet<String> {
        self.compare(at, old, new, side, &mut Open::new())
    }

    fn compare(&self, at: &str, old: &Value, new: &Value, side: Side, open: &mut Open) -> BTreeSet<String> {
        let pair = (old.to_string(), new.to_string());
        if open.contains(&pair) {
            return BTreeSet::new();
        }
        // What is shared is named once, and not by each operation that uses it.
        let shared = old["$ref"].as_str().and_then(|place| place.rsplit('/').next());
        open.push(pair);
        let found = self.compare_forms(
            shared.unwrap_or(at),
            &forms(self.old, old),
            &forms(self.new, new),
            side,
            open,
        );
        open.pop();
        found
    }

    fn compare_forms(
        &self,
        at: &str,
        old: &[Map<String, Value>],
        new: &[Map<String, Value>],
        side: Side,
        open: &mut Open,
    ) -> BTreeSet<String> {
        if let ([old], [new]) = (old, new) {
            return self.compare_form(at, old, new, side, open);
        }
        let mut fits = |old, new| self.compare_form(at, old, new, side, open).is_empty();
        let (is_whole, what) = match side {
            Side::Sent => (
                old.iter().all(|old| new.iter().any(|new| fits(old, new))),
                "refuses a form that it accepted",
            ),
            Side::Received => (
                new.iter().all(|new| old.iter().any(|old| fits(old, new))),
                "has a form that it did not have",
            ),
        };
        if is_whole { BTreeSet::new() } else { BTreeSet::from([format!("{at} {what}")]) }
    }

    fn compare_form(
        &self,
        at: &str,
        old: &Map<String, Value>,
        new: &Map<String, Value>,
        side: Side,
        open: &mut Open,
    ) -> BTreeSet<String> {
        let mut found: BTreeSet<String> = match side {
            Side::Sent => refused(old, new),
            Side::Received => promised_no_more(old, new),
        }
        .into_iter()
        .map(|what| format!("{at} {what}"))
        .collect();
        let none = Value::Null;
        let (old_members, new_members) =
            (old.get("properties").unwrap_or(&none), new.get("properties").unwrap_or(&none));
        for (name, before) in members(old_members) {
            match new_members.get(name) {
                None => drop(found.insert(format!("{at}.{name} is removed"))),
                Some(after) => {
                    found.extend(self.compare(&format!("{at}.{name}"), before, after, side, open));
                }
            }
        }
        for (keyword, place) in [("items", "[]"), ("additionalProperties", ".*")] {
            if let (Some(before @ Value::Object(_)), Some(after @ Value::Object(_))) =
                (old.get(keyword), new.get(keyword))
            {
                found.extend(self.compare(&format!("{at}{place}"), before, after, side, open));
            }
        }
        found
    }
}

/// What a client sends and the new form does not take.
fn refused(old: &Map<String, Value>, new: &Map<String, Value>) -> Vec<String> {
    let mut found = Vec::new();
    if !holds(&types(new), &types(old)) {
        found.push(format!("no longer takes {}", shown(old, "type")));
    }
    if let Some(allowed) = new.get("enum") {
        let lost: Vec<&Value> = match old.get("enum") {
            Some(before) => {
                values(before).filter(|value| !values(allowed).any(|new| new == *value)).collect()
            }
            None => vec![allowed],
        };
        found.extend(lost.into_iter().map(|value| format!("takes fewer values: {value}")));
    }
    for name in required(new).difference(&required(old)) {
        found.push(format!("must have {name}"));
    }
    if new.get("additionalProperties") == Some(&json!(false))
        && old.get("additionalProperties") != Some(&json!(false))
    {
        found.push("takes no other members any more".to_owned());
    }
    for keyword in ["pattern", "format"] {
        if new.contains_key(keyword) && new.get(keyword) != old.get(keyword) {
            found.push(format!("has another {keyword}: {}", shown(new, keyword)));
        }
    }
    let bound = |form: &Map<String, Value>, keyword: &str| form.get(keyword).and_then(Value::as_f64);
    for keyword in ["minimum", "minLength", "minItems", "maximum", "maxLength", "maxItems"] {
        let Some(after) = bound(new, keyword) else { continue };
        let is_stricter =
            |before: f64| if keyword.starts_with("min") { after > before } else { after < before };
        if bound(old, keyword).is_none_or(is_stricter) {
            found.push(format!("has a stricter {keyword}: {after}"));
        }
    }
    found
}

/// What a client was promised of the old form and the new one does not give.
fn promised_no_more(old: &Map<String, Value>, new: &Map<String, Value>) -> Vec<String> {
    let mut found = Vec::new();
    if !holds(&types(old), &types(new)) {
        found.push(format!("may be {}, and was {}", shown(new, "type"), shown(old, "type")));
    }
    for name in required(old).difference(&required(new)) {
        found.push(format!("may lack {name}"));
    }
    if old.contains_key("format") && old.get("format") != new.get("format") {
        found.push(format!("has another format: {}", shown(new, "format")));
    }
    found
}

/// Is each of `types` among `all`? No types are all of them.
fn holds(all: &BTreeSet<&str>, types: &BTreeSet<&str>) -> bool {
    let is_in = |kind: &&str| all.contains(kind) || (*kind == "integer" && all.contains("number"));
    all.is_empty() || (!types.is_empty() && types.iter().all(is_in))
}

fn types(form: &Map<String, Value>) -> BTreeSet<&str> {
    match form.get("type") {
        Some(Value::String(one)) => BTreeSet::from([one.as_str()]),
        Some(several) => values(several).filter_map(Value::as_str).collect(),
        None => BTreeSet::new(),
    }
}

fn required(form: &Map<String, Value>) -> BTreeSet<&str> {
    form.get("required").into_iter().flat_map(values).filter_map(Value::as_str).collect()
}

fn shown(form: &Map<String, Value>, keyword: &str) -> String {
    form.get(keyword).map_or_else(|| "anything".to_owned(), Value::to_string)
}

/// The forms that a value may have, each without references at its top.
fn forms(document: &Value, schema: &Value) -> Vec<Map<String, Value>> {
    if let Some(place) = schema["$ref"].as_str().and_then(|text| text.strip_prefix('#')) {
        return forms(document, document.pointer(place).unwrap_or(&Value::Null));
    }
    let choices: Vec<&Value> = values(&schema["oneOf"]).chain(values(&schema["anyOf"])).collect();
    if !choices.is_empty() {
        return choices.into_iter().flat_map(|choice| forms(document, choice)).collect();
    }
    let mut form = schema.as_object().cloned().unwrap_or_default();
    let Some(parts) = form.remove("allOf") else { return vec![form] };
    let parts: Vec<Vec<_>> = values(&parts).map(|part| forms(document, part)).collect();
    parts.into_iter().fold(vec![form], |whole, part| {
        whole.iter().flat_map(|form| part.iter().map(|other| together(form, other))).collect()
    })
}

/// A form that is both: members and what is required add up.
fn together(one: &Map<String, Value>, other: &Map<String, Value>) -> Map<String, Value> {
    let mut both = one.clone();
    for (keyword, value) in other {
        match (both.get_mut(keyword), value) {
            (Some(Value::Object(there)), Value::Object(more)) => there.extend(more.clone()),
            (Some(Value::Array(there)), Value::Array(more)) => there.extend(more.iter().cloned()),
            (Some(_), _) => {}
            (None, value) => drop(both.insert(keyword.clone(), value.clone())),
        }
    }
    both
}
