//! What a change of the document breaks: something that a client could do or rely on, and no longer can.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::schemas::{Schemas, Side};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// What clients made for the old document stumble over under the new one; empty where nothing was removed or narrowed.
pub(crate) fn between(old: &Value, new: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (path, item) in members(&old["paths"]) {
        for method in METHODS {
            let Some(before) = item.get(method) else { continue };
            let what = format!("{} {path}", method.to_uppercase());
            match new["paths"][path].get(method) {
                Some(after) => {
                    let mut operation =
                        Operation { what, before, after, schemas: Schemas { old, new }, found: &mut found };
                    operation.compare();
                }
                None => drop(found.insert(format!("{what} is removed"))),
            }
        }
    }
    found
}

struct Operation<'a> {
    what: String,
    before: &'a Value,
    after: &'a Value,
    schemas: Schemas<'a>,
    found: &'a mut BTreeSet<String>,
}

impl Operation<'_> {
    fn compare(&mut self) {
        if self.before["operationId"] != self.after["operationId"] {
            self.say("has another operationId");
        }
        for role in values(&self.before["x-roles"]) {
            if !values(&self.after["x-roles"]).any(|other| other == role || other == "public") {
                self.say(&format!("is closed to {role}"));
            }
        }
        self.parameters();
        self.body();
        self.responses();
    }

    fn say(&mut self, what: &str) {
        self.found.insert(format!("{} {what}", self.what));
    }

    fn parameters(&mut self) {
        let (before, after) = (&self.before["parameters"], &self.after["parameters"]);
        let same = |a: &Value, b: &Value| a["name"] == b["name"] && a["in"] == b["in"];
        for old in values(before) {
            let name = &old["name"];
            match values(after).find(|new| same(old, new)) {
                None => self.say(&format!("has no parameter {name} any more")),
                Some(new) => self.schema(&format!("parameter {name}"), old, new, Side::Sent),
            }
        }
        for new in values(after).filter(|new| new["required"] == true) {
            if !values(before).any(|old| same(old, new) && old["required"] == true) {
                self.say(&format!("must be given the parameter {}", new["name"]));
            }
        }
    }

    fn body(&mut self) {
        let (before, after) = (&self.before["requestBody"], &self.after["requestBody"]);
        if after["required"] == true && before["required"] != true {
            self.say("must be given a body");
        }
        self.content("its body", before, after, Side::Sent);
    }

    /// Errors have one form for all; what a client relies on is how it succeeds.
    fn responses(&mut self) {
        for (status, old) in members(&self.before["responses"]) {
            if !status.starts_with(['2', '3']) {
                continue;
            }
            let Some(new) = self.after["responses"].get(status) else {
                self.say(&format!("never answers {status} any more"));
                continue;
            };
            self.content(&format!("its answer {status}"), old, new, Side::Received);
            for (name, _) in members(&old["headers"]) {
                if new["headers"].get(name).is_none() {
                    self.say(&format!("answers {status} without the header {name}"));
                }
            }
        }
    }

    fn content(&mut self, part: &str, before: &Value, after: &Value, side: Side) {
        for (kind, old) in members(&before["content"]) {
            match after["content"].get(kind) {
                None => self.say(&format!("has no {kind} as {part} any more")),
                Some(new) => self.schema(part, old, new, side),
            }
        }
    }

    fn schema(&mut self, part: &str, old: &Value, new: &Value, side: Side) {
        if let (Some(old), Some(new)) = (old.get("schema"), new.get("schema")) {
            self.found.extend(self.schemas.breaks(&format!("{} {part}", self.what), old, new, side));
        }
    }
}

pub(crate) fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

pub(crate) fn values(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
