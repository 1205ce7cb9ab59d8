//! The walls before the work: rates, sizes, times, origins, and requests that are not what they seem.

use std::sync::OnceLock;

use serde_json::json;

use crate::support::organisation::{PASSWORD, new_email};
use crate::support::site::operation;
use crate::support::{Answer, Client, Organisation, Site, Stack, new_key};

/// Small limits, one proxy in front, and one page that may call.
pub(crate) fn strict() -> &'static Stack {
    static STRICT: OnceLock<Stack> = OnceLock::new();
    STRICT.get_or_init(|| {
        Stack::start(&[
            ("FIREMODE__RATE_LIMIT__ADDRESS_BURST", "40"),
            ("FIREMODE__RATE_LIMIT__ADDRESS_PER_MINUTE", "1"),
            ("FIREMODE__RATE_LIMIT__AUTH_BURST", "4"),
            ("FIREMODE__RATE_LIMIT__AUTH_PER_MINUTE", "1"),
            ("FIREMODE__RATE_LIMIT__USER_BURST", "10"),
            ("FIREMODE__RATE_LIMIT__USER_PER_MINUTE", "1"),
            ("FIREMODE__SERVER__TRUSTED_PROXY_HOPS", "1"),
            ("FIREMODE__SERVER__BODY_SECONDS_MAX", "1"),
            ("FIREMODE__SERVER__HTTPS_ONLY_SECONDS", "600"),
            ("FIREMODE__SERVER__DOCS_PUBLIC", "false"),
            ("FIREMODE__CORS__ALLOWED_ORIGINS", "https://app.example.com, https://other.example.com"),
        ])
    })
}

/// An address that no other test uses.
pub(crate) fn new_address() -> String {
    let bytes = uuid::Uuid::new_v4().into_bytes();
    format!("10.{}.{}.{}", bytes[0], bytes[1], bytes[2])
}

fn from(address: &str, path: &str) -> Answer {
    strict().client().request("GET", path).header("x-forwarded-for", address).send()
}

/// The admin of a new organisation there.
fn new_admin() -> Client {
    let body = json!({
        "organisation_name": new_key(), "email": new_email(), "password": PASSWORD, "full_name": "Ada Example",
    });
    let anyone = strict().client();
    let register = anyone.request("POST", "/v1/auth/register").header("x-forwarded-for", &new_address());
    anyone.with_token(register.json(&body).send().expect(201).text("/access_token"))
}

#[test]
fn an_address_that_asks_too_often_is_told_when_to_come_again() {
    let address = new_address();
    for left in (0..40).rev() {
        let answer = from(&address, "/v1/buildings").problem(401, "FIRE-401");
        assert_eq!(answer.header("ratelimit-policy"), "\"address\";q=40;w=2400");
        let standing = answer.header("ratelimit");
        assert!(standing.starts_with(&format!("\"address\";r={left};t=")), "{standing}");
    }
    let answer = from(&address, "/v1/buildings").problem(429, "FIRE-429");
    let seconds: u32 = answer.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    assert!(answer.header("ratelimit").starts_with("\"address\";r=0;"), "{}", answer.header("ratelimit"));
    from(&address, "/nowhere").problem(429, "FIRE-429");
    // What a client writes before the proxy's own entry makes nobody else of it.
    from(&format!("1.2.3.4, {address}"), "/v1/buildings").problem(429, "FIRE-429");
    from(&format!("\u{fc}, {address}"), "/v1/buildings").problem(429, "FIRE-429");
    let another = from(&new_address(), "/v1/buildings");
    another.problem(401, "FIRE-401");
    let health = from(&address, "/health").expect(200);
    assert_eq!(health.header("ratelimit"), "", "health is not counted");
}

#[test]
fn signing_in_is_counted_apart_and_less_is_allowed() {
    let address = new_address();
    let sign_in = || {
        let body = json!({"email": new_email(), "password": PASSWORD});
        let request = strict().client();
        request.request("POST", "/v1/auth/login").header("x-forwarded-for", &address).json(&body).send()
    };
    for _ in 0..4 {
        sign_in().problem(401, "FIRE-401");
    }
    let answer = sign_in().problem(429, "FIRE-429");
    assert_eq!(answer.header("ratelimit-policy"), "\"auth\";q=4;w=240");
    from(&address, "/v1/buildings").problem(401, "FIRE-401");
}

#[test]
fn a_user_is_counted_wherever_the_requests_come_from() {
    let user = new_admin();
    let ask = || user.request("GET", "/v1/users/me").header("x-forwarded-for", &new_address()).send();
    for left in (0..10).rev() {
        let answer = ask().expect(200);
        let standings: Vec<_> =
            answer.headers.get_all("ratelimit").iter().map(|v| v.to_str().unwrap()).collect();
        assert_eq!(standings.len(), 2, "{standings:?}");
        assert!(
            standings.iter().any(|text| text.starts_with(&format!("\"user\";r={left};"))),
            "{standings:?}"
        );
    }
    ask().problem(429, "FIRE-429");
}

#[test]
fn only_pages_of_configured_origins_may_call() {
    let preflight = |origin: &str| {
        let client = strict().client();
        let request = client.request("OPTIONS", "/v1/buildings").header("origin", origin);
        let request = request.header("access-control-request-method", "POST");
        request.header("access-control-request-headers", "authorization,content-type,idempotency-key").send()
    };
    let allowed = preflight("https://app.example.com").expect(204);
    assert_eq!(allowed.header("access-control-allow-origin"), "https://app.example.com");
    assert_eq!(allowed.header("access-control-max-age"), "600");
    assert_eq!(allowed.header("access-control-allow-credentials"), "");
    let refused = preflight("https://evil.example.com").problem(403, "FIRE-403-ORIGIN");
    assert_eq!(refused.header("access-control-allow-origin"), "");

    let address = new_address();
    let call = |stack: &Stack, origin: &str| {
        let client = stack.client();
        let request = client.request("GET", "/v1/buildings").header("x-forwarded-for", &address);
        request.header("origin", origin).send().problem(401, "FIRE-401")
    };
    let answer = call(strict(), "https://other.example.com");
    assert_eq!(
        answer.header("access-control-allow-origin"),
        "https://other.example.com",
        "errors can be read too"
    );
    let exposed = answer.header("access-control-expose-headers").to_lowercase();
    for name in
        ["etag", "link", "x-transaction-id", "idempotent-replayed", "ratelimit", "location", "retry-after"]
    {
        assert!(is_in_list(&exposed, name), "{name} is not in {exposed}");
    }
    assert!(answer.header("vary").to_lowercase().contains("origin"), "{}", answer.header("vary"));
    assert_eq!(call(strict(), "https://evil.example.com").header("access-control-allow-origin"), "");
    let unconfigured = call(Stack::shared(), "https://app.example.com");
    assert_eq!(unconfigured.header("access-control-allow-origin"), "");
}

/// Does a header with a list name it?
fn is_in_list(list: &str, name: &str) -> bool {
    list.split(',').any(|found| found.trim() == name)
}

#[test]
fn a_page_may_send_resumable_uploads_and_read_how_they_stand() {
    let client = strict().client();
    let from_page = || {
        let request = client.request("OPTIONS", "/v1/evidence/uploads");
        request.header("origin", "https://app.example.com").header("x-forwarded-for", &new_address())
    };
    let sent = "authorization,content-type,idempotency-key,tus-resumable,upload-checksum,upload-length,\
                upload-metadata,upload-offset";
    let preflight = from_page().header("access-control-request-method", "PATCH");
    let preflight = preflight.header("access-control-request-headers", sent).send().expect(204);
    let allowed = preflight.header("access-control-allow-headers").to_lowercase();
    for name in sent.split(',') {
        assert!(is_in_list(&allowed, name), "{name} is not in {allowed}");
    }
    // Without the headers of a preflight it is a request like any other: what can be uploaded here?
    let told = from_page().send().expect(204);
    assert_eq!(told.header("tus-version"), "1.0.0");
    assert_eq!(told.header("access-control-allow-origin"), "https://app.example.com");
    let exposed = told.header("access-control-expose-headers").to_lowercase();
    for name in [
        "location",
        "tus-resumable",
        "tus-version",
        "tus-extension",
        "tus-max-size",
        "tus-checksum-algorithm",
        "upload-offset",
        "upload-length",
        "upload-expires",
        "evidence-id",
        "evidence-receipt",
    ] {
        assert!(is_in_list(&exposed, name), "{name} is not in {exposed}");
    }
}

#[test]
fn answers_tell_browsers_and_caches_what_they_may_do() {
    let site = Site::new();
    let list = site.admin.get("/v1/buildings").expect(200);
    assert_eq!(list.header("cache-control"), "no-store");
    assert_eq!(list.header("referrer-policy"), "no-referrer");
    assert_eq!(list.header("x-frame-options"), "DENY");
    assert_eq!(list.header("cross-origin-resource-policy"), "same-origin");
    assert!(list.header("content-security-policy").starts_with("default-src 'none'; "));
    assert_eq!(list.header("strict-transport-security"), "", "development speaks plain HTTP");
    let tagged = site.admin.get(&site.session("")).expect(200);
    assert_eq!(tagged.header("cache-control"), "private, no-cache");
    let page = Stack::shared().client().get("/docs/index.html").expect(200);
    assert!(page.header("content-security-policy").starts_with("default-src 'none'; script-src 'self'"));
    let strict = from(&new_address(), "/health").expect(200);
    assert_eq!(strict.header("strict-transport-security"), "max-age=600; includeSubDomains");
}

#[test]
fn the_documentation_is_for_admins_where_it_is_not_public() {
    for path in ["/docs", "/docs/index.html", "/openapi.json"] {
        from(&new_address(), path).problem(401, "FIRE-401");
    }
    new_admin().request("GET", "/openapi.json").header("x-forwarded-for", &new_address()).send().expect(200);
}

#[test]
fn heads_that_are_too_long_are_refused() {
    let admin = Organisation::register(Stack::shared()).admin;
    admin.get(&format!("/v1/buildings?cursor={}", "x".repeat(9_000))).problem(414, "FIRE-414");
    admin.get(&format!("/v1/buildings/{}", "x".repeat(9_000))).problem(414, "FIRE-414");
    let request = admin.request("GET", "/v1/buildings").header("x-padding", &"x".repeat(40_000));
    request.send().problem(431, "FIRE-431");
    // Past what the server looks at, there is no problem body, and the connection ends.
    let many = (0..120).map(|number| format!("x-{number}: x\r\n")).collect::<String>();
    let answer = raw(&format!("GET /health HTTP/1.1\r\nhost: x\r\n{many}\r\n"));
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[test]
fn a_header_that_says_one_thing_comes_once() {
    let site = Site::new();
    let note = operation("tablet", "append", &format!("{}/remarks", site.items[0]), json!("once"));
    let send = |first: &str, second: &str| {
        let request = site.admin.request("POST", &site.session("/results"));
        let request = request.header("idempotency-key", first).header("Idempotency-Key", second);
        request.json(&json!({"changes": [&note]})).send()
    };
    let (key, other) = (new_key(), new_key());
    send(&key, &other).problem(400, "FIRE-400");
    send(&key, &key).problem(400, "FIRE-400");
    for name in ["content-type", "range", "upload-offset", "tus-resumable"] {
        let request = site.admin.request("GET", "/v1/buildings").header(name, "x").header(name, "y");
        request.send().problem(400, "FIRE-400");
    }
    assert!(site.item(&site.items[0])["remarks"].is_null(), "nothing was stored");
}

#[test]
fn a_precondition_counts_however_it_is_written() {
    let site = Site::new();
    let path = format!("/v1/buildings/{}", site.building_id);
    let tag = site.admin.get(&path).expect(200).header("etag").to_owned();
    let patch = |lines: &[&str]| {
        let request = site.admin.request("PATCH", &path).json(&json!({"site_name": new_key()}));
        lines.iter().fold(request, |request, line| request.header("if-match", line)).send()
    };
    for stale in [&["\"\u{fc}\""][..], &["\"x\"", "\"y\""]] {
        patch(stale).problem(412, "FIRE-412");
    }
    patch(&["\"x\"", &tag]).expect(200);
}

#[test]
fn deep_nesting_is_400_in_both_processes() {
    let site = Site::new();
    for depth in [200, 400_000] {
        for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
            let nested = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let paths = [
                ("/v1/buildings".to_owned(), format!(r#"{{"site_name": "A", "metadata": {nested}}}"#)),
                ("/v1/classify".to_owned(), format!(r#"{{"item_code": "A", "context": {nested}}}"#)),
                (site.session("/results"), format!(r#"{{"changes": [{{"op": "set", "value": {nested}}}]}}"#)),
            ];
            for (path, body) in paths {
                let request = site.admin.request("POST", &path).key(&new_key());
                let answer = request.body("application/json", body).send();
                assert!(
                    matches!(answer.status, 400 | 413),
                    "{path} at depth {depth} gives {}",
                    answer.status
                );
                let status = answer.status;
                answer.problem(status, &format!("FIRE-{status}"));
            }
        }
    }
    site.admin.get("/health/ready").expect(200);
}

#[test]
fn free_fields_that_the_record_cannot_hold_are_422() {
    let site = Site::new();
    let building = format!("/v1/buildings/{}", site.building_id);
    let deep = (0..110).fold(json!(1), |inner, _| json!([inner]));
    let wide = "metadata.value";
    for (value, field) in
        [(json!(-6_170_366_606_896_002_049_i64), wide), (json!(u64::MAX), wide), (deep, "metadata")]
    {
        let metadata = json!({"metadata": {"value": value}});
        site.admin.patch(&building, &metadata).invalid(&[field]);
        site.admin.patch(&format!("{building}/assets/{}", site.items[0]), &metadata).invalid(&[field]);
    }
    let fine = json!({"metadata": {"value": [9_007_199_254_740_991_i64, 0.1, -1e300]}});
    site.admin.patch(&building, &fine).expect(200);
}

#[test]
fn a_body_that_does_not_come_in_time_is_408() {
    let admin = new_admin();
    let token = admin.token();
    for path in ["/v1/buildings", "/v1/classify", "/v1/auth/logout"] {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nx-forwarded-for: {}\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: 100\r\n\r\n{{",
            new_address(),
        );
        let answer = strict().raw(request.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 408 "), "{path}: {answer}");
        assert!(answer.contains("\"error_code\":\"FIRE-408\""), "{path}: {answer}");
        assert!(answer.to_lowercase().contains("\r\nconnection: close\r\n"), "{path}: {answer}");
    }
}

#[test]
fn a_request_of_two_meanings_is_refused() {
    let post = "POST /v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    let smuggled = "GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n";
    for headers in [
        "content-length: 4\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 4\r\n",
        "content-length: 4\r\ncontent-length: 5\r\n",
        "content-length: 4, 5\r\n",
        "content-length: +4\r\n",
        "content-length: -4\r\n",
        "content-length: 0x4\r\n",
        "transfer-encoding: identity\r\n",
        "transfer-encoding: chunked, identity\r\n",
        "transfer-encoding: xchunked\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
        "transfer-encoding : chunked\r\n",
        " transfer-encoding: chunked\r\n",
        "content-length: 4\r\nhost: y\r\n",
        "x: y\nz: w\0\r\n",
    ] {
        let answer = raw(&format!("{post}{headers}\r\n0\r\n\r\n{smuggled}"));
        assert!(answer.starts_with("HTTP/1.1 400 "), "{headers:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{headers:?} is one request: {answer}");
    }
    let answer = raw("GET /health HTTP/1.1\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 400 "), "no host: {answer}");
}

fn raw(request: &str) -> String {
    Stack::shared().raw(request.as_bytes())
}
