//! The OpenAPI document against the running server.

use std::collections::HashSet;
use std::fs;

use serde_json::{Value, json};

use crate::support::stack::{command, repository_file};
use crate::support::{Folder, Form, Site, Stack, new_key};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

fn document() -> Value {
    Stack::shared().client().get("/openapi.json").expect(200).json
}

/// Method, path and operation of every route.
fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, item)| {
            let of_method = |method| Some((method, path.as_str(), item.get(method)?));
            METHODS.into_iter().filter_map(of_method)
        })
        .collect()
}

#[test]
fn the_document_is_openapi_3_1_and_the_binary_prints_the_same() {
    let document = document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."), "{}", document["openapi"]);
    let folder = Folder::new();
    let printed = command(folder.path()).arg("openapi").output().unwrap();
    assert!(printed.status.success());
    assert_eq!(serde_json::from_slice::<Value>(&printed.stdout).unwrap(), document);
    let page = Stack::shared().client().get("/docs").expect(302);
    Stack::shared().client().get(page.header("location")).expect(200);
}

#[test]
fn every_route_of_the_document_is_there_and_answers_as_it_says() {
    let document = document();
    let client = Stack::shared().client();
    let operations = operations(&document);
    assert!(operations.len() >= 35, "{}", operations.len());
    for (method, path, operation) in operations {
        let id = uuid::Uuid::now_v7().to_string();
        let file = path.replace("{file}", "index.html");
        let parts: Vec<&str> =
            file.split('/').map(|part| if part.starts_with('{') { id.as_str() } else { part }).collect();
        let answer = client.request(&method.to_uppercase(), &parts.join("/")).send();
        let status = answer.status;
        assert!(!matches!(status, 404 | 405), "{method} {path} gives {status}");
        let documented = operation["responses"].get(status.to_string());
        assert!(documented.is_some(), "{method} {path} does not document {status}");
        let needs_token = operation["security"] != json!([]);
        assert_eq!(needs_token, status == 401, "{method} {path} without a token gives {status}");
        answer.expect(status);
    }
}

/// What stands between backticks in a document and names a route: method, path, and the fields of its body where they are named.
fn named_routes(text: &str) -> impl Iterator<Item = (&str, &str, Option<&str>)> {
    let quoted = text.split('`').skip(1).step_by(2).filter(|quoted| !quoted.contains('\n'));
    quoted.filter_map(|quoted| {
        let (method, rest) = quoted.split_once(" /")?;
        let (path, fields) =
            rest.split_once(" {").map_or((rest, None), |(path, fields)| (path, Some(fields)));
        let is_method = METHODS.contains(&method.to_lowercase().as_str());
        is_method.then_some((method, path, fields.map(|fields| fields.trim_end_matches('}'))))
    })
}

/// What a reference stands for.
fn resolved<'a>(document: &'a Value, part: &'a Value) -> &'a Value {
    let place = part["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    place.map_or(part, |place| document.pointer(place).unwrap())
}

/// The operation for a method and a path, with parameters of any name.
fn find<'a>(document: &'a Value, method: &str, path: &str) -> Option<&'a Value> {
    let path = path.split('?').next().unwrap_or_default();
    let is_it = |known: &str| {
        let (known, named): (Vec<_>, Vec<_>) =
            (known.trim_start_matches('/').split('/').collect(), path.split('/').collect());
        known.len() == named.len()
            && known.iter().zip(&named).all(|(a, b)| a == b || (a.starts_with('{') && b.starts_with('{')))
    };
    let (_, item) = document["paths"].as_object()?.iter().find(|(known, _)| is_it(known))?;
    item.get(method.to_lowercase())
}

#[test]
fn the_documents_name_routes_and_their_fields_as_they_are() {
    let document = document();
    let mut looked_at = 0;
    for page in ["README.md", "docs/api.md", "docs/operations.md", "docs/security.md", "docs/deployment.md"] {
        let text = fs::read_to_string(repository_file(page)).unwrap();
        for (method, path, fields) in named_routes(&text) {
            let Some(operation) = find(&document, method, path) else {
                panic!("{page}: there is no {method} /{path}");
            };
            looked_at += 1;
            let Some(fields) = fields else { continue };
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            let name = schema["$ref"].as_str().and_then(|name| name.strip_prefix('#')).unwrap_or_default();
            let schema = document.pointer(name).unwrap_or(schema);
            let named: HashSet<&str> =
                fields.split(',').map(|field| field.trim().trim_end_matches('?')).collect();
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            for field in required {
                assert!(named.contains(field), "{page}: {method} /{path} wants {field} as well");
            }
            for field in named {
                assert!(schema["properties"].get(field).is_some(), "{page}: {method} /{path} has no {field}");
            }
        }
    }
    assert!(looked_at > 50, "{looked_at}");
}

#[test]
fn what_is_said_not_to_be_there_yet_is_not() {
    let document = document();
    let text = fs::read_to_string(repository_file("docs/not-yet.md")).unwrap();
    let rows = text.lines().filter_map(|line| line.split(" | ").nth(1));
    let routes: Vec<_> = rows.flat_map(named_routes).collect();
    assert!(routes.len() >= 5, "{routes:?}");
    for (method, path, _) in routes {
        assert!(
            find(&document, method, path).is_none(),
            "{method} /{path} is there: take it off docs/not-yet.md"
        );
    }
}

#[test]
fn every_operation_has_a_name_of_its_own_a_summary_and_its_errors() {
    let document = document();
    let mut names = HashSet::new();
    for (method, path, operation) in operations(&document) {
        let what = format!("{method} {path}");
        assert!(names.insert(operation["operationId"].as_str().unwrap()), "{what}: its name is taken");
        assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{what} has no summary");
        let responses = operation["responses"].as_object().unwrap();
        let mut wanted = vec!["500"];
        if operation["security"] != json!([]) {
            wanted.extend(["401", "503"]);
        }
        if operation.get("requestBody").is_some() {
            wanted.extend(["400", "413", "415", "422"]);
        }
        if path.contains('{') {
            wanted.push("404");
        }
        for status in wanted {
            assert!(responses.contains_key(status), "{what} does not document {status}");
        }
        assert!(responses.keys().any(|status| status.starts_with(['2', '3'])), "{what} never succeeds");
        for (status, response) in responses.iter().filter(|(status, _)| status.starts_with(['4', '5'])) {
            // Readiness is the one that answers a failure with a body of its own.
            let response = resolved(&document, response);
            if path == "/health/ready" && response["content"].get("application/json").is_some() {
                continue;
            }
            let example = &response["content"]["application/problem+json"]["example"];
            assert_eq!(
                example["status"].to_string(),
                *status,
                "{what}: {status} has no problem body with an example"
            );
            assert!(
                example["error_code"].as_str().is_some_and(|code| code.contains(status.as_str())),
                "{what}: {example}"
            );
        }
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let is_in_path = path.contains(&format!("{{{}}}", parameter["name"].as_str().unwrap()));
            assert_eq!(parameter["in"] == "path", is_in_path, "{what}: {parameter}");
        }
    }
}

#[test]
fn every_list_says_how_many_rows_a_page_may_have_and_what_becomes_of_a_bad_cursor() {
    let document = document();
    let mut lists = 0;
    for (method, path, operation) in operations(&document) {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let Some(limit) = parameters.clone().find(|parameter| parameter["name"] == "limit") else { continue };
        let bounds = (limit["schema"]["minimum"].as_i64(), limit["schema"]["maximum"].as_i64());
        assert_eq!(bounds, (Some(1), Some(100)), "{method} {path}: {limit}");
        assert!(parameters.clone().any(|parameter| parameter["name"] == "cursor"), "{method} {path}");
        for status in ["400", "410"] {
            assert!(
                operation["responses"].get(status).is_some(),
                "{method} {path} does not document {status}"
            );
        }
        lists += 1;
    }
    assert!(lists >= 9, "{lists}");
}

#[test]
fn the_examples_of_bodies_work_when_tried() {
    let document = document();
    let site = Site::new();
    let form = Form::photo(&site.session_id, b"a door");
    let evidence_id = form.upload(&site.admin).expect(201).text("/evidence_id");
    let measure_id = crate::measures::make(&site.admin, &site.building_id, "AS 1851-2012").expect(201).id();
    let found = json!({"building_id": site.building_id, "description": "A door sticks."});
    let defect = || site.admin.post("/v1/defects", &found).expect(201).id();
    let mut tried = 0;
    for (method, path, operation) in operations(&document) {
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        let Some(reference) = schema["$ref"].as_str().and_then(|text| text.strip_prefix('#')) else {
            continue;
        };
        let mut example = document.pointer(reference).unwrap()["example"].clone();
        if example.is_null() {
            continue;
        }
        if ["/v1/tests/sessions", "/v1/defects"].contains(&path) {
            // Examples that name something that a reader has to make first.
            example["building_id"] = site.building_id.as_str().into();
        }
        let address = path
            .replace("{building_id}", &site.building_id)
            .replace("{asset_id}", &site.items[0])
            .replace("{measure_id}", &measure_id)
            .replace("{session_id}", &site.session_id)
            .replace("{user_id}", &site.organisation.user_id.to_string())
            .replace("{defect_id}", &defect())
            .replace("{evidence_id}", &evidence_id);
        // Signing out is among them, so each is tried by somebody new.
        let caller = site.organisation.member(Stack::shared(), "admin").client;
        let answer = caller.request(&method.to_uppercase(), &address).key(&new_key()).json(&example).send();
        assert!((200..300).contains(&answer.status), "{method} {path} gives {}: {example}", answer.status);
        tried += 1;
    }
    assert!(tried >= 9, "{tried}");
}

#[test]
fn generators_find_what_they_need() {
    let document = document();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let lists: Vec<_> = schemas.iter().filter(|(name, _)| name.starts_with("List_")).collect();
    assert!(lists.len() >= 7, "{}", lists.len());
    for (name, list) in lists {
        let row = list["properties"]["data"]["items"]["$ref"].as_str().unwrap_or_default();
        assert_eq!(row.rsplit('/').next(), name.strip_prefix("List_"), "{name} names its rows");
        assert_eq!(list["required"], json!(["data", "next_cursor"]), "{name}");
    }
    let known: Vec<&Value> = document["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
    for (method, path, operation) in operations(&document) {
        assert!(known.contains(&&operation["tags"][0]), "{method} {path} has a tag that is described");
        let bodies = operation["requestBody"]["content"].as_object().into_iter().flatten();
        for (kind, content) in
            bodies.filter(|(kind, _)| !kind.ends_with("json") && *kind != "multipart/form-data")
        {
            assert_eq!(
                content["schema"],
                json!({"type": "string", "format": "binary"}),
                "{method} {path}: {kind}"
            );
        }
    }
    let forms = &document["paths"]["/v1/evidence"]["post"]["requestBody"]["content"];
    assert!(forms["application/json"]["schema"].is_object(), "small evidence as JSON");
}

#[test]
fn the_documentation_has_our_name_and_fits_on_a_telephone() {
    let client = Stack::shared().client();
    let page = String::from_utf8(client.get("/docs/index.html").expect(200).body).unwrap();
    assert!(page.contains("<title>FireMode") && page.contains("name=\"viewport\""), "{page}");
    let linked: Vec<&str> =
        page.split('"').filter(|text| text.ends_with(".js") || text.ends_with(".css")).collect();
    assert!(linked.len() >= 4, "{linked:?}");
    for file in linked {
        client.get(&format!("/docs/{file}")).expect(200);
    }
}

#[test]
fn what_many_answers_have_in_common_is_declared_once() {
    let document = document();
    let components = &document["components"];
    let declared: HashSet<String> =
        components["responses"].as_object().unwrap().values().map(Value::to_string).collect();
    for (method, path, operation) in operations(&document) {
        for (status, response) in operation["responses"].as_object().unwrap() {
            let what = format!("{method} {path} {status}");
            assert!(!declared.contains(&response.to_string()), "{what} repeats a failure that many have");
            let response = resolved(&document, response);
            assert!(response["headers"].get("X-Transaction-Id").is_some(), "{what} has no X-Transaction-Id");
            for (name, header) in response["headers"].as_object().unwrap() {
                assert_eq!(
                    header,
                    &json!({"$ref": format!("#/components/headers/{name}")}),
                    "{what}: {name}"
                );
            }
        }
    }
    for (name, header) in components["headers"].as_object().unwrap() {
        assert!(header["description"].is_string() && !header["example"].is_null(), "{name}: {header}");
        let pointer = format!("\"#/components/headers/{name}\"");
        assert!(document.to_string().contains(&pointer), "no answer has the header {name}");
    }
    for name in components["responses"].as_object().unwrap().keys() {
        let pointer = format!("\"#/components/responses/{name}\"");
        assert!(document.to_string().contains(&pointer), "no route fails with {name}");
    }
}

/// The headers that an answer has are those that the document says of it, as far as these are no matter of the case.
#[test]
fn answers_have_the_headers_that_the_document_promises() {
    let document = document();
    let site = Site::new();
    let form = Form::photo(&site.session_id, b"a door of its own");
    let evidence_id = form.upload(&site.admin).expect(201).text("/evidence_id");
    let content = format!("/v1/evidence/{evidence_id}/content");
    let check = |answer: &crate::support::Answer, method: &str, path: &str| {
        let operation = find(&document, method, path.trim_start_matches('/')).unwrap();
        let response = resolved(&document, &operation["responses"][answer.status.to_string()]);
        for name in response["headers"].as_object().unwrap().keys() {
            let depends = [
                "Link",
                "Idempotent-Replayed",
                "Upload-Length",
                "Upload-Defer-Length",
                "Upload-Concat",
                "Evidence-Id",
                "Evidence-Receipt",
            ];
            assert!(
                depends.contains(&name.as_str()) || !answer.header(name).is_empty(),
                "{}: no {name}",
                answer.what
            );
        }
    };
    check(&site.admin.get(&content).expect(200), "GET", "/v1/evidence/{evidence_id}/content");
    let part = site.admin.request("GET", &content).header("range", "bytes=0-3").send().expect(206);
    check(&part, "GET", "/v1/evidence/{evidence_id}/content");
    let none = site.admin.request("GET", &content).header("range", "bytes=9000-").send().expect(416);
    check(&none, "GET", "/v1/evidence/{evidence_id}/content");
    check(
        &site.admin.request("OPTIONS", "/v1/evidence/uploads").send().expect(204),
        "OPTIONS",
        "/v1/evidence/uploads",
    );
    let said = crate::uploads::metadata(&site, b"a window", &[]);
    let opened = crate::uploads::open_with(&site.admin, 8, &said).expect(201);
    check(&opened, "POST", "/v1/evidence/uploads");
    check(&site.admin.get(opened.header("location")).expect(200), "GET", "/v1/evidence/uploads/{upload_id}");
    check(&site.admin.get("/v1/buildings?limit=1").expect(200), "GET", "/v1/buildings");
    check(&Stack::shared().client().get("/v1/buildings").expect(401), "GET", "/v1/buildings");
}

#[test]
fn every_reference_leads_somewhere() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|inner| references(inner, found));
            }
            Value::Array(values) => values.iter().for_each(|inner| references(inner, found)),
            _ => {}
        }
    }
    let document = document();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(!found.is_empty());
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}
