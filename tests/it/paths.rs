//! One path in many spellings: each means the same or nothing, for every decision.

use serde_json::json;
use uuid::Uuid;

use crate::limits::{new_address, strict};
use crate::support::organisation::{PASSWORD, new_email};
use crate::support::site::operation;
use crate::support::stack::{NOWHERE, raw};
use crate::support::{Folder, Organisation, Site, Stack, new_key};

/// A request without a token for a target as it stands here, from an address that nobody else has.
fn head(method: &str, target: &[u8], address: &str, more: &str) -> Vec<u8> {
    let rest = format!(
        " HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-forwarded-for: {address}\r\ncontent-length: 0\r\n{more}\r\n"
    );
    [method.as_bytes(), b" ", target, rest.as_bytes()].concat()
}

fn status(answer: &str) -> u16 {
    answer.get(9..12).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("no answer: {answer:?}"))
}

/// The status that a stack without public documentation gives for a target.
fn status_of(target: &[u8]) -> u16 {
    status(&strict().raw(&head("GET", target, &new_address(), "")))
}

#[test]
fn another_spelling_of_a_path_opens_no_door() {
    for target in [
        "/metrics",
        "/metric%73",
        "/%6d%65%74%72%69%63%73",
        "/%6Detrics",
        "/metrics/",
        "/metric%73//",
        "//metrics",
        "///metrics///",
        "http://elsewhere/metrics",
        "http://elsewhere/metric%73",
        "/metric%73?x=%00",
        "/openapi.jso%6e",
        "/openapi%2ejson",
        "/doc%73",
        "/doc%73/index.html",
        "/docs/index%2Ehtml",
        "//docs//index.html",
        "/v1/buildings",
        "//v1//buildings",
        "/v1/%62uildings/",
    ] {
        assert_eq!(status_of(target.as_bytes()), 401, "{target}");
    }
}

#[test]
fn what_is_no_path_of_ours_is_404_before_anybody_asks_for_a_token() {
    for target in [
        "/metric%2573",
        "/metrics%2F",
        "/%2Fmetrics",
        "/v1%2Fbuildings",
        "/metrics%00",
        "/%00",
        "/metrics%0a",
        "/metrics%7f",
        "/metrics%c2%85",
        "/metrics%zz",
        "/metrics%",
        "/metrics%7",
        "/metrics%ff",
        "/metrics%c0%ae",
        "/metrics;x=1",
        "/metrics.",
        "/metrics%20",
        "/METRICS",
        "/./metrics",
        "/%2e/metrics",
        "/x/../metrics",
        "/v1/./buildings",
        "/v1/x/../buildings",
        "/v1/x/%2e%2E/buildings",
        "/v1/../metrics",
        "/..",
        "/v1/buildings;x",
        "\\metrics",
        "/metrics\\",
        "*",
        "/v1/buildings/x/assets/y/z",
    ] {
        let answer = strict().raw(&head("GET", target.as_bytes(), &new_address(), ""));
        let is_path = target.starts_with('/') || target == "*";
        assert!(matches!((status(&answer), is_path), (404, _) | (400, false)), "{target}: {answer}");
        assert!(!is_path || answer.contains("FIRE-404-ROUTE"), "{target}: {answer}");
    }
    for target in ["/metrics\u{e9}", "/\u{6d}\u{fc}"] {
        assert!(matches!(status_of(target.as_bytes()), 400 | 404), "{target}");
    }
    for bytes in [&b"/metrics\xff"[..], b"/\x80", b"/v1/\xc0\xaf"] {
        assert!(matches!(status_of(bytes), 400 | 404), "{bytes:?}");
    }
    for unit in ["a", "%61", "/", "/.", ";", "%"] {
        for count in [3_000, 30_000] {
            let target = format!("/v1/x{}", unit.repeat(count));
            let code = status_of(target.as_bytes());
            assert!(matches!(code, 400 | 404 | 414 | 431), "{unit} {count} times gives {code}");
        }
    }
}

#[test]
fn another_spelling_takes_the_methods_of_its_path() {
    for (method, target, wanted) in [
        ("DELETE", "/v1/%63lassify", 405),
        ("GET", "/v1/auth/%6cogin", 405),
        ("PUT", "/metric%73", 405),
        ("DELETE", "/v1/users/m%65", 405),
        ("DELETE", "/v1/users/%6De", 405),
        ("DELETE", "/v1/tests/sessions/change%73", 405),
        ("BREW", "/v1/buildings", 405),
        ("BREW", "/v1/building", 404),
        ("OPTIONS", "*", 404),
        ("CONNECT", "host:80", 404),
    ] {
        let answer = strict().raw(&head(method, target.as_bytes(), &new_address(), ""));
        assert_eq!(status(&answer), wanted, "{method} {target}: {answer}");
    }
}

#[test]
fn signing_in_is_counted_however_its_path_is_written() {
    let address = new_address();
    let body = json!({"email": new_email(), "password": PASSWORD}).to_string();
    let mut answers = Vec::new();
    for target in
        ["/v1/%61uth/login", "/v1/auth/%6cogin", "//v1/auth/login", "/v1/auth/login/", "/v1/aut%68/logi%6e"]
    {
        let request = format!(
            "POST {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-forwarded-for: {address}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        answers.push(status(&strict().raw(request.as_bytes())));
    }
    assert_eq!(answers, [401, 401, 401, 401, 429]);
}

#[test]
fn the_start_is_waited_for_under_every_spelling() {
    let stack = Stack::launch(&Folder::new(), &[("DATABASE_URL", NOWHERE)]);
    for target in ["/v1/buildings", "/v1/%62uildings", "//v1/building%73/", "/v1/auth/m%65", "/v1/users/m%65"]
    {
        let wanted = if target.contains("auth") { 404 } else { 503 };
        let answer = stack.raw(&head("GET", target.as_bytes(), "10.0.0.1", ""));
        assert_eq!(status(&answer), wanted, "{target}: {answer}");
    }
}

#[test]
fn who_may_call_is_decided_for_the_route_that_answers() {
    let stack = Stack::shared();
    let technician = Organisation::register(stack).member(stack, "technician");
    let authorization = format!("authorization: Bearer {}\r\n", technician.client.token());
    let get = |target: &str| stack.raw(&head("GET", target.as_bytes(), "10.0.0.1", &authorization));
    for target in ["/v1/users/me", "/v1/users/m%65", "/v1/users/%6de/", "http://elsewhere/v1/users/%6D%65"] {
        let answer = get(target);
        assert_eq!(status(&answer), 200, "{target}: {answer}");
        assert!(answer.contains(&technician.user_id.to_string()), "{target}: {answer}");
    }
    for target in ["/v1/users/me;x", "/v1/users/m%2565", "/v1/users/ME", "/v1/%75sers/x"] {
        assert_eq!(status(&get(target)), 403, "{target} is a user's id, which is for admins");
    }
}

#[test]
fn figures_are_counted_under_the_route_that_was_meant() {
    let stack = Stack::shared();
    for target in ["/v1/users/me/audit%73", "//v1/users/m%65/audits/"] {
        assert_eq!(status(&stack.raw(&head("TRACE", target.as_bytes(), "10.0.0.1", ""))), 405);
    }
    let figures = Organisation::register(stack).admin.get("/metrics").expect(200);
    let figures = String::from_utf8(figures.body).unwrap();
    let counted = r#"{method="_OTHER",route="/v1/users/me/audits",status="405"} 2"#;
    assert!(figures.contains(counted), "{figures}");
}

/// One id as different clients write it.
fn spellings(id: &str) -> Vec<String> {
    let id: Uuid = id.parse().unwrap();
    let braced = id.braced().to_string();
    vec![
        id.to_string(),
        id.to_string().to_uppercase(),
        id.simple().to_string(),
        id.simple().to_string().to_uppercase(),
        braced.replace('{', "%7B").replace('}', "%7d"),
        braced,
        id.urn().to_string(),
        id.urn().to_string().replace(':', "%3a"),
        id.to_string().replace('-', "%2D"),
        id.to_string().bytes().map(|byte| format!("%{byte:02x}")).collect(),
        format!("{id}/"),
        format!("/{id}"),
    ]
}

#[test]
fn an_id_in_any_spelling_is_one_object_and_one_scope() {
    let site = Site::new();
    let (key, path) = (new_key(), format!("{}/remarks", site.items[0]));
    let results = json!({"changes": [operation("tablet", "append", &path, json!("once"))]}).to_string();
    let items = json!({"items": [{"label": "Added once"}]}).to_string();
    let authorization = format!("authorization: Bearer {}", site.admin.token());
    let post = |target: &str, body: &str| {
        let request = format!(
            "POST {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{authorization}\r\nidempotency-key: {key}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        Stack::shared().raw(request.as_bytes())
    };
    for (number, id) in spellings(&site.session_id).iter().enumerate() {
        for (below, body, wanted) in
            [("results", &results, 200), ("/result%73/", &results, 200), ("items", &items, 201)]
        {
            let answer = post(&format!("/v1/tests/sessions/{id}/{below}"), body);
            assert_eq!(status(&answer), wanted, "{id}: {answer}");
            let is_first = number == 0 && !below.contains('%');
            assert_eq!(
                answer.to_lowercase().contains("idempotent-replayed: true"),
                !is_first,
                "{id}: {answer}"
            );
        }
    }
    assert_eq!(site.item(&site.items[0])["remarks"], json!(["once"]));
    let document = &site.read()["document"]["items"];
    assert_eq!(document.as_object().unwrap().len(), site.items.len() + 1, "{document}");
}

#[test]
fn links_to_the_next_page_have_the_one_form() {
    let site = Site::new();
    let id = site.building_id.to_uppercase();
    let list = site.admin.get(&format!("//v1/buildings/{id}/assets/?limit=1")).expect(200);
    let wanted = format!("</v1/buildings/{}/assets?", site.building_id);
    assert!(list.header("link").starts_with(&wanted), "{}", list.header("link"));
}

#[test]
fn the_ingest_process_goes_by_the_same_form() {
    let port = Stack::shared().ingest_port();
    let session = Uuid::now_v7();
    for (method, target, wanted) in [
        ("GET", "/healt%68".to_owned(), 200),
        ("GET", "/debug/pprof/%70rofile".to_owned(), 404),
        ("GET", "/%64ebug/pprof/heap".to_owned(), 404),
        ("POST", format!("/v1/tests/sessions/{session}/result%73"), 401),
        ("POST", "/v1/%65vidence".to_owned(), 401),
        ("GET", "/v1/%65vidence".to_owned(), 405),
        ("POST", "/v1/evidence%2F".to_owned(), 404),
        ("POST", "/v1/x/../evidence".to_owned(), 404),
    ] {
        let answer = raw(port, &head(method, target.as_bytes(), "10.0.0.1", ""));
        assert_eq!(status(&answer), wanted, "{method} {target}: {answer}");
    }
}
