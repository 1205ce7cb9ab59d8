//! Odd values in every parameter and field that the OpenAPI document names. None is ever a defect of ours. A value that is
//! refused is refused by its name, in words of the field and not of the implementation.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::support::organisation::PASSWORD;
use crate::support::{Answer, Client, Form, Organisation, Site, Stack, new_key};
use crate::uploads::{metadata, open_with};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// As JSON, so that there are some among them that no serialiser writes.
const ODD_JSON: [&str; 17] = [
    r#""""#,
    r#""\u0000""#,
    r#""a\u0001\u007f""#,
    r#""a\u200bb\u202e""#,
    r#""\ud800""#,
    r#""9999-12-31T23:59:59-14:00""#,
    r#""-9999-01-01""#,
    "-1",
    "18446744073709551616",
    "1e999",
    "1.5",
    "true",
    "null",
    "[]",
    "{}",
    r#"["a", 1, null]"#,
    r#"{"a": 1, "a": 2}"#,
];

/// As they stand in an address.
const ODD_QUERY: [&str; 14] = [
    "",
    "%00",
    "a%00b",
    "%01%7F",
    "%E2%80%8B",
    "%ED%A0%80",
    "%FF",
    "-1",
    "18446744073709551616",
    "9999-12-31T23:59:59-14:00",
    "-9999-01-01",
    "%5B%5D",
    "%7B%22a%22:1%7D",
    "%F0%9F%94%A5",
];

/// Where 401 says something of the body.
const SIGNING_IN: [&str; 4] =
    ["/v1/auth/login", "/v1/auth/refresh", "/v1/auth/accept-invitation", "/v1/auth/reset-password"];

/// Words that say how the server is written.
const IMPLEMENTATION: [&str; 14] = [
    "struct ",
    "invalid type",
    "i16",
    "i32",
    "i64",
    "u64",
    "usize",
    "f64",
    "OffsetDateTime",
    "enum ",
    "variant",
    "serde",
    "Option<",
    "untagged",
];

/// A server of its own, where nobody else signs in: odd values fail at that, too.
struct World {
    stack: Stack,
    site: Site,
    caller: Client,
    evidence_id: String,
    measure_id: String,
    defect_id: String,
    document: Value,
}

impl World {
    fn new() -> Self {
        let stack = Stack::start(&[
            ("FIREMODE__AUTH__SIGN_IN_FAILURES_FREE", "100"),
            ("FIREMODE__AUTH__SIGN_IN_NETWORK_FAILURES_FREE", "100000"),
            ("FIREMODE__AUTH__SIGN_IN_REFUSAL_MILLISECONDS", "1"),
        ]);
        let site = Site::of(Organisation::register(&stack));
        let evidence_id =
            Form::photo(&site.session_id, b"a photo").upload(&site.admin).expect(201).text("/evidence_id");
        let measure_id =
            crate::measures::make(&site.admin, &site.building_id, "AS 1851-2012").expect(201).id();
        let defect_id =
            crate::defect_acts::open(&site.admin, &site.building_id, "non_conformance").expect(201).id();
        let document = stack.client().get("/openapi.json").expect(200).json;
        let caller = site.organisation.member(&stack, "admin").client;
        Self { stack, site, caller, evidence_id, measure_id, defect_id, document }
    }

    fn operations(&self) -> Vec<(String, String, Value)> {
        let paths = self.document["paths"].as_object().unwrap();
        let of_path = |(path, item): (&String, &Value)| {
            let of_method =
                |method: &str| Some((method.to_uppercase(), path.clone(), item.get(method)?.clone()));
            METHODS.into_iter().filter_map(of_method).collect::<Vec<_>>()
        };
        paths.iter().flat_map(of_path).collect()
    }

    /// An address of objects that are there.
    fn address(&self, path: &str) -> String {
        // Not the caller itself, who would be disabled.
        let somebody = self.site.organisation.user_id.to_string();
        path.replace("{building_id}", &self.site.building_id)
            .replace("{asset_id}", &self.site.items[0])
            .replace("{session_id}", &self.site.session_id)
            .replace("{evidence_id}", &self.evidence_id)
            .replace("{measure_id}", &self.measure_id)
            .replace("{defect_id}", &self.defect_id)
            .replace("{user_id}", &somebody)
            .replace("{upload_id}", &Uuid::now_v7().to_string())
            .replace("{kind}", "sessions")
            .replace("{file}", "index.html")
    }

    /// What a reference stands for.
    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#')) {
            Some(pointer) => self.document.pointer(pointer).unwrap(),
            None => schema,
        }
    }

    /// The caller may have been signed out by a value that was valid after all: then a new one calls.
    fn send(&mut self, method: &str, path: &str, body: Option<&str>) -> Answer {
        for _ in 0..2 {
            let request = self.caller.request(method, path).key(&new_key());
            let answer = match body {
                Some(body) => request.body("application/json", body).send(),
                None => request.send(),
            };
            if answer.status != 401 || SIGNING_IN.contains(&path) {
                return answer;
            }
            self.caller = self.site.organisation.member(&self.stack, "admin").client;
        }
        panic!("{method} {path} is 401 to somebody who has just signed in");
    }
}

/// Never a defect of ours, and every refusal in the one form, in plain words.
fn assert_sound(answer: &Answer, odd: &str) {
    let what = format!("{} with {odd}", answer.what);
    assert!(answer.status < 500, "{what} gives {}: {}", answer.status, answer.json);
    if answer.status < 400 {
        return;
    }
    assert_eq!(answer.header("content-type"), "application/problem+json", "{what}");
    let errors = answer.json["errors"].as_array().cloned().unwrap_or_default();
    if answer.json["error_code"] == "FIRE-422" {
        assert!(!errors.is_empty(), "{what} names no field: {}", answer.json);
    }
    for text in errors.iter().map(|error| &error["message"]).chain([&answer.json["detail"]]) {
        let text = text.as_str().unwrap();
        assert!(
            !IMPLEMENTATION.iter().any(|word| text.contains(word)),
            "{what} reveals how it is made: {text}"
        );
    }
}

/// Does an answer name this field, or something in it?
fn names(answer: &Answer, field: &str) -> bool {
    answer.fields().iter().any(|named| {
        named.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    })
}

#[test]
fn no_query_and_no_path_brings_it_down() {
    let mut world = World::new();
    let mut tried = 0;
    for (method, path, operation) in world.operations() {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            let long = "x".repeat(3_000);
            for odd in ODD_QUERY.into_iter().chain([long.as_str()]) {
                let answer = match parameter["in"].as_str().unwrap() {
                    "query" => {
                        let address = format!("{}?{name}={odd}", world.address(&path));
                        let twice = format!("{address}&{name}={odd}");
                        let answer = world.send(&method, &twice, None);
                        assert_sound(&answer, odd);
                        assert!(
                            answer.status != 422 || names(&answer, name),
                            "{}: {}",
                            answer.what,
                            answer.json
                        );
                        world.send(&method, &address, None)
                    }
                    "path" => {
                        let place = format!("{{{name}}}");
                        world.send(&method, &world.address(&path.replace(&place, odd)), None)
                    }
                    _ => continue,
                };
                assert_sound(&answer, odd);
                let is_query = parameter["in"] == "query";
                assert!(
                    !is_query || answer.status != 422 || names(&answer, name),
                    "{}: {}",
                    answer.what,
                    answer.json
                );
                tried += 1;
            }
        }
    }
    assert!(tried > 500, "{tried}");
}

#[test]
fn every_field_of_a_body_is_refused_by_its_name() {
    let mut world = World::new();
    let mut tried = 0;
    for (method, path, operation) in world.operations() {
        let content = &operation["requestBody"]["content"]["application/json"]["schema"];
        if content.is_null() {
            continue;
        }
        for (place, schema) in fields(&world, content) {
            let address = world.address(&path);
            let base = sample(&world, content).to_string();
            for odd in
                ODD_JSON.iter().map(|odd| (*odd).to_owned()).chain([json!("x".repeat(5_000)).to_string()])
            {
                let body = with(&base, &place, &odd);
                let answer = world.send(&method, &address, Some(&body));
                assert_sound(&answer, &body);
                let is_wrong = must_refuse(&schema, &odd);
                let is_named = answer.status == 422 && names(&answer, &place) || answer.status == 413;
                assert!(
                    !is_wrong || is_named,
                    "{} takes {body}: {} {}",
                    answer.what,
                    answer.status,
                    answer.json
                );
                tried += 1;
            }
            let twice = twice(&base, &place);
            let answer = world.send(&method, &address, Some(&twice));
            assert_sound(&answer, &twice);
            assert!(
                answer.status == 422 && names(&answer, &place),
                "{} takes {twice}: {}",
                answer.what,
                answer.json
            );
        }
    }
    assert!(tried > 700, "{tried}");
}

#[test]
fn every_field_of_a_form_and_of_upload_metadata_is_refused_by_its_name() {
    let world = World::new();
    let file = b"a video".as_slice();
    let schema = world.resolved(&world.document["components"]["schemas"]["EvidenceFields"]).clone();
    let names_of: Vec<String> = schema["properties"].as_object().unwrap().keys().cloned().collect();
    assert!(names_of.len() >= 6, "{names_of:?}");
    let long = "x".repeat(600);
    for name in names_of.iter().map(String::as_str).chain(["filename"]) {
        for odd in [
            "",
            "\0",
            "a\u{1}",
            "\u{200b}",
            "\u{fffd}",
            "-1",
            "18446744073709551616",
            "[]",
            "{\"a\": 1, \"a\": 2}",
            &long,
        ] {
            let mut answers =
                vec![open_with(&world.site.admin, file.len(), &replaced(&world.site, file, name, odd))];
            if name != "filename" {
                let form = Form::photo(&world.site.session_id, file).replace(name, odd);
                answers.push(form.upload(&world.site.admin));
            }
            for answer in answers {
                assert_sound(&answer, odd);
                let is_fine =
                    answer.status != 422 || answer.json["error_code"] != "FIRE-422" || names(&answer, name);
                assert!(is_fine, "{} with {name} {odd:?}: {}", answer.what, answer.json);
            }
        }
    }
}

fn replaced(site: &Site, file: &[u8], name: &str, value: &str) -> String {
    let kept: Vec<String> = metadata(site, file, &[])
        .split(',')
        .filter(|pair| !pair.starts_with(&format!("{name} ")))
        .map(str::to_owned)
        .chain([format!("{name} {}", crate::support::base64(value.as_bytes()))])
        .collect();
    kept.join(",")
}

/// Every field of a body by its path, with its schema; of a list those of its first entry.
fn fields(world: &World, schema: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    gather(world, schema, "", &mut found);
    found
}

fn gather(world: &World, schema: &Value, prefix: &str, found: &mut Vec<(String, Value)>) {
    let schema = object_of(world, schema);
    if let Some(items) = schema.get("items") {
        return gather(world, items, &format!("{prefix}[0]"), found);
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let place = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        found.push((place.clone(), object_of(world, field).clone()));
        gather(world, field, &place, found);
    }
}

/// Of several forms of a body, the one with fields.
fn object_of<'a>(world: &'a World, schema: &'a Value) -> &'a Value {
    let schema = world.resolved(schema);
    let forms = ["oneOf", "anyOf"].iter().filter_map(|key| schema[*key].as_array()).flatten();
    let with_fields = |form: &&Value| world.resolved(form).get("properties").is_some();
    forms.map(|form| world.resolved(form)).find(|form| with_fields(form)).unwrap_or(schema)
}

/// A value that a schema takes, with every field.
fn sample(world: &World, schema: &Value) -> Value {
    let schema = object_of(world, schema);
    if let Some(items) = schema.get("items") {
        return json!([sample(world, items)]);
    }
    if let Some(properties) = schema["properties"].as_object() {
        let members = properties.iter().map(|(name, field)| (name.clone(), sample(world, field)));
        return Value::Object(members.collect::<Map<_, _>>());
    }
    match (kind(schema), schema["format"].as_str()) {
        _ if schema["enum"].is_array() => schema["enum"][0].clone(),
        (_, Some("uuid")) => json!(Uuid::now_v7()),
        (_, Some("date")) => json!("2021-03-01"),
        (_, Some("date-time")) => json!("2026-11-21T08:30:00Z"),
        (_, Some("password")) if schema["minLength"].as_u64() > Some(6) => json!(PASSWORD),
        ("integer", _) => schema.get("minimum").cloned().unwrap_or_else(|| 1.into()),
        ("boolean", _) => json!(true),
        ("object", _) => json!({}),
        _ => json!("x".repeat(schema["minLength"].as_u64().unwrap_or(1).max(6) as usize)),
    }
}

/// The type of a schema, null left aside.
fn kind(schema: &Value) -> &str {
    let kinds = schema["type"].as_array().into_iter().flatten().filter_map(Value::as_str);
    schema["type"].as_str().or_else(|| kinds.into_iter().find(|kind| *kind != "null")).unwrap_or_default()
}

/// Is this of another type than the schema has?
fn must_refuse(schema: &Value, odd: &str) -> bool {
    if odd == "18446744073709551616" || odd == "1e999" || odd == r#"{"a": 1, "a": 2}"# {
        return true;
    }
    let odd: Value = serde_json::from_str(odd).unwrap_or_else(|_| json!("text"));
    let is_nullable = schema["type"].as_array().is_some_and(|kinds| kinds.contains(&json!("null")));
    match kind(schema) {
        "" => false,
        _ if odd.is_null() => !is_nullable,
        "string" => !odd.is_string(),
        "integer" => !odd.is_i64() || odd.as_i64() < schema["minimum"].as_i64(),
        "boolean" => !odd.is_boolean(),
        "array" => !odd.is_array(),
        _ => !odd.is_object(),
    }
}

/// A marker that no sample has.
const MARK: &str = "\"the-odd-value\"";

/// The body with another text in this place.
fn with(base: &str, place: &str, odd: &str) -> String {
    marked(base, place).replace(MARK, odd)
}

/// The body with this member twice.
fn twice(base: &str, place: &str) -> String {
    let name = place.rsplit(['.', ']']).next().unwrap();
    marked(base, place)
        .replace(&format!("\"{name}\":{MARK}"), &format!("\"{name}\":{MARK},\"{name}\":{MARK}"))
}

fn marked(base: &str, place: &str) -> String {
    let mut body: Value = serde_json::from_str(base).unwrap();
    let pointer = place.replace("[0]", "/0").replace('.', "/");
    let pointer = if pointer.starts_with('/') { pointer } else { format!("/{pointer}") };
    *body.pointer_mut(&pointer).unwrap_or_else(|| panic!("{place} is not in {base}")) =
        serde_json::from_str(MARK).unwrap();
    body.to_string()
}
