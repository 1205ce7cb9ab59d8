//! Pages in browsers: which may call, what they may read, and addresses that an `<img>` can show.

use serde_json::json;

use crate::support::processes::{child_named, kill_hard};
use crate::support::stack::{command, raw};
use crate::support::{Answer, Folder, Form, Site, Stack, eventually};
use crate::uploads::bytes;

fn preflight(stack: &Stack, origin: &str) -> Answer {
    let client = stack.client();
    let request = client.request("OPTIONS", "/v1/tests/sessions").header("origin", origin);
    let request = request.header("access-control-request-method", "PATCH");
    request.header("access-control-request-headers", "authorization,x-of-the-page").send()
}

#[test]
fn pages_that_are_being_developed_may_call_a_development() {
    for origin in ["http://localhost:5173", "http://localhost", "http://127.0.0.1:8100"] {
        let answer = preflight(Stack::shared(), origin).expect(204);
        assert_eq!(answer.header("access-control-allow-origin"), origin);
        assert_eq!(answer.header("access-control-allow-headers"), "authorization,x-of-the-page");
        assert!(answer.header("access-control-allow-methods").contains("PATCH"));
        assert_eq!(answer.header("access-control-allow-credentials"), "");
    }
    let call = |origin: &str| {
        Stack::shared().client().request("GET", "/v1/buildings").header("origin", origin).send()
    };
    let exposed = call("http://localhost:5173").header("access-control-expose-headers").to_owned();
    for name in ["allow", "accept-ranges", "content-range", "content-disposition", "etag", "upload-metadata"]
    {
        assert!(exposed.split(", ").any(|found| found == name), "{name} is not in {exposed}");
    }
    for origin in ["http://localhost:5173x", "http://localhost.example.com", "https://localhost:5173", "null"]
    {
        assert_eq!(call(origin).header("access-control-allow-origin"), "", "{origin}");
        preflight(Stack::shared(), origin).problem(403, "FIRE-403-ORIGIN");
    }
}

#[test]
fn who_is_refused_is_told_which_origin_is_not_allowed() {
    let answer = preflight(Stack::shared(), "https://evil.example.com").problem(403, "FIRE-403-ORIGIN");
    assert!(answer.text("/detail").contains("https://evil.example.com"), "{}", answer.json);
    let id = answer.header("x-transaction-id").to_owned();
    let line = eventually("it is in the log", || {
        Stack::shared()
            .logs()
            .find(|event| event["transaction_id"] == id.as_str() && !event["cause"].is_null())
    });
    assert!(line["cause"].as_str().unwrap().contains("https://evil.example.com"), "{line}");
}

#[test]
fn applications_with_schemes_of_their_own_can_be_allowed() {
    let check = |origins: &str| {
        let folder = Folder::new();
        let output =
            command(folder.path()).arg("check").env("FIREMODE__CORS__ALLOWED_ORIGINS", origins).output();
        output.unwrap().status.success()
    };
    assert!(check("capacitor://localhost,ionic://localhost, tauri://localhost,https://tauri.localhost"));
    assert!(check("http://10.0.2.2:*"));
    for wrong in
        ["https://*.example.com", "*", "https://app.example.com/", "localhost:3000", "://x", "HTTPS://a"]
    {
        assert!(!check(wrong), "{wrong}");
    }
    let stack = Stack::shared().beside(&[("FIREMODE__CORS__ALLOWED_ORIGINS", "capacitor://localhost")]);
    let answer = preflight(&stack, "capacitor://localhost").expect(204);
    assert_eq!(answer.header("access-control-allow-origin"), "capacitor://localhost");
    preflight(&stack, "ionic://localhost").problem(403, "FIRE-403-ORIGIN");
}

#[test]
fn a_page_can_read_that_the_service_is_down() {
    let stack = Stack::start(&[("FIREMODE__SUPERVISOR__STAND_IN_MILLISECONDS", "100")]);
    let port = stack.base_url().rsplit(':').next().unwrap().parse().unwrap();
    // What the stand-in says: the API gives every answer an id.
    let of_stand_in = |request: &str| {
        eventually("the stand-in answers", || {
            child_named(stack.pid(), "api").into_iter().for_each(kill_hard);
            let answer = raw(port, request.as_bytes());
            let is_of_stand_in =
                answer.contains("FIRE-503-DOWN") || !answer.to_lowercase().contains("x-transaction-id: ");
            (is_of_stand_in && !answer.is_empty()).then_some(answer)
        })
    };
    let of_page = "HTTP/1.1\r\nHost: x\r\nConnection: close\r\nOrigin: http://localhost:5173\r\n";
    let down = of_stand_in(&format!("GET /v1/buildings {of_page}\r\n"));
    assert!(down.contains("Access-Control-Allow-Origin: http://localhost:5173\r\n"), "{down}");
    assert!(down.contains("Access-Control-Expose-Headers: Retry-After, "), "{down}");
    let asked = of_stand_in(&format!(
        "OPTIONS /v1/buildings {of_page}Access-Control-Request-Method: POST\r\n\
         Access-Control-Request-Headers: authorization\r\n\r\n"
    ));
    assert!(asked.starts_with("HTTP/1.1 204 "), "{asked}");
    assert!(asked.contains("Access-Control-Allow-Headers: authorization\r\n"), "{asked}");
    let other = of_stand_in(
        "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nOrigin: https://evil.example.com\r\n\r\n",
    );
    assert!(!other.contains("Access-Control-"), "{other}");
}

#[test]
fn a_page_shows_evidence_at_an_address_that_lives_shortly() {
    let site = Site::new();
    let file = bytes(1_000);
    let id = Form::photo(&site.session_id, &file).upload(&site.admin).expect(201).text("/evidence_id");
    let auditor = site.organisation.member(Stack::shared(), "auditor").client;
    let made = auditor.get(&format!("/v1/evidence/{id}/link")).expect(200);
    let url = made.text("/url");
    let anybody = Stack::shared().client();
    let shown = anybody.get(&url).expect(200);
    assert_eq!((shown.header("content-type"), &shown.body), ("image/png", &file));
    assert_eq!(shown.header("content-disposition"), "inline; filename=\"photo.jpg\"");
    assert_eq!(shown.header("cross-origin-resource-policy"), "cross-origin");
    assert_eq!(shown.header("referrer-policy"), "no-referrer");
    anybody.request("GET", &url).header("range", "bytes=0-9").send().expect(206);

    // One object, one purpose, and nobody else's.
    let key = url.split_once("key=").unwrap().1;
    let other =
        Form::photo(&site.session_id, &bytes(1_000)).upload(&site.admin).expect(201).text("/evidence_id");
    anybody.get(&format!("/v1/evidence/{other}/linked?key={key}")).problem(404, "FIRE-404");
    anybody.get(&format!("/v1/evidence/{id}/linked?key={key}x")).problem(404, "FIRE-404");
    anybody.get(&format!("/v1/evidence/{id}/linked?key={}", auditor.token())).problem(404, "FIRE-404");
    anybody.get(&format!("/v1/evidence/{id}/linked")).invalid(&["key"]);
    anybody.with_token(key).get(&format!("/v1/evidence/{id}")).problem(401, "FIRE-401");
    Site::new().admin.get(&format!("/v1/evidence/{id}/link")).problem(404, "FIRE-404");

    // It is on record, and in no log.
    let rows = site.admin.get("/v1/audit?action=evidence.link").expect(200);
    assert_eq!(rows.data()[0]["resource"]["id"], id.as_str(), "{}", rows.json);
    assert!(Stack::shared().logs().find(|event| event.to_string().contains(key)).is_none());

    // It ends with the token that it was made with.
    auditor.post("/v1/auth/logout", &json!({})).expect(204);
    anybody.get(&url).problem(404, "FIRE-404");
}

#[test]
fn what_a_page_could_run_is_offered_for_download() {
    let site = Site::new();
    let page = format!("<script>alert('{}')</script>", crate::support::new_key());
    let id =
        Form::photo(&site.session_id, page.as_bytes()).upload(&site.admin).expect(201).text("/evidence_id");
    let url = site.admin.get(&format!("/v1/evidence/{id}/link")).expect(200).text("/url");
    let shown = Stack::shared().client().get(&url).expect(200);
    assert!(shown.header("content-disposition").starts_with("attachment;"));
    assert_eq!(shown.header("content-type"), "application/octet-stream");
    assert_eq!(shown.header("x-content-type-options"), "nosniff");
}
