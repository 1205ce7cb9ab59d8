//! What all routes have in common.

use std::collections::HashSet;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Client, Organisation, Stack, new_key};

fn admin() -> Client {
    Organisation::register(Stack::shared()).admin
}

#[test]
fn an_unknown_route_is_404_and_a_wrong_method_405_before_anybody_asks_for_a_token() {
    let client = Stack::shared().client();
    for path in ["/nothing", "/v1", "/v1/buildingss", "/v1/tests/sessions/x/y/z", "/%00", "//"] {
        client.get(path).expect(if path == "//" { 200 } else { 404 });
    }
    client.get("/v1/no/such/route?limit=x").problem(404, "FIRE-404-ROUTE");
    for (method, path, allowed) in [
        ("DELETE", "/v1/classify", "POST"),
        ("GET", "/v1/auth/login", "POST"),
        ("PUT", "/v1/buildings", "GET, POST"),
        ("POST", "/health", "GET"),
        ("DELETE", "/v1/buildings/not-a-uuid/assets", "GET, POST"),
    ] {
        let answer = client.request(method, path).send().problem(405, "FIRE-405");
        let mut found: Vec<&str> = answer.header("allow").split(", ").collect();
        found.sort_unstable();
        assert_eq!(found.join(", "), allowed, "{method} {path}");
    }
}

#[test]
fn a_trailing_slash_means_the_same_as_none() {
    let admin = admin();
    let body = json!({"site_name": "A", "site_address": "B"});
    let id = admin.post("/v1/buildings/", &body).expect(201).id();
    assert_eq!(admin.get(&format!("/v1/buildings/{id}/")).expect(200).id(), id);
    assert_eq!(admin.get("/v1/buildings/?limit=1").expect(200).data().len(), 1);
}

#[test]
fn bodies_are_read_strictly_and_each_fault_is_named() {
    let admin = admin();
    let post = |text: &str| admin.request("POST", "/v1/buildings").body("application/json", text).send();
    for text in ["", "{", r#"{"site_name": "#, "nonsense", r#"{"site_name": "A",}"#, "\u{fe}\u{ff}"] {
        post(text).problem(400, "FIRE-400");
    }
    post(r#"{"site_name": "A", "site_address": "B", "site_adress": "C"}"#).invalid(&["site_adress"]);
    post(r#"{"site_name": "A"}"#).invalid(&["site_address"]);
    post(r#"{"site_name": 7, "site_address": "B"}"#).invalid(&["site_name"]);
    post("[]").problem(422, "FIRE-422");
    post(r#"{"site_name": "A\u0000", "site_address": "B"}"#).invalid(&["site_name"]);
    post(r#"{"site_name": "A", "site_address": "B", "metadata": {"a": [{"b": "\u0000"}]}}"#)
        .invalid(&["metadata.a[0].b"]);
    let long = "x".repeat(501);
    post(&json!({"site_name": "", "site_address": long, "building_class": "", "metadata": []}).to_string())
        .invalid(&["site_name", "site_address", "building_class", "metadata"]);
    assert_eq!(admin.get("/v1/buildings").expect(200).data().len(), 0, "nothing of that was stored");
}

#[test]
fn a_body_of_another_type_is_415_and_a_large_one_413() {
    let admin = admin();
    let body = json!({"site_name": "A", "site_address": "B"}).to_string();
    for content_type in ["text/plain", "application/xml", "application/x-www-form-urlencoded"] {
        let request = admin.request("POST", "/v1/buildings").body(content_type, body.as_str());
        request.send().problem(415, "FIRE-415");
    }
    let request = admin.request("POST", "/v1/buildings").body("application/json; charset=utf-8", body);
    request.send().expect(201);
    let large = json!({"site_name": "A", "site_address": "x".repeat(1 << 20)}).to_string();
    admin.request("POST", "/v1/buildings").body("application/json", large).send().problem(413, "FIRE-413");
}

#[test]
fn a_compressed_body_is_refused_before_anybody_unpacks_it() {
    let admin = admin();
    let nobody = Stack::shared().client();
    let body = json!({"site_name": "A", "site_address": "B"}).to_string();
    let post = |client: &Client, path: &str, encoding: &str| {
        let request = client.request("POST", path).header("content-encoding", encoding);
        request.body("application/json", body.as_str()).send()
    };
    for encoding in ["gzip", "br", "zstd", "deflate", "GZIP", "identity, br", "x"] {
        post(&nobody, "/v1/auth/login", encoding).problem(415, "FIRE-415");
        post(&admin, "/v1/buildings", encoding).problem(415, "FIRE-415");
        post(&admin, "/v1/classify", encoding).problem(415, "FIRE-415");
    }
    post(&admin, "/v1/buildings", "identity").expect(201);
}

#[test]
fn an_id_that_is_none_names_nothing() {
    let admin = admin();
    for path in [
        "/v1/buildings/1",
        "/v1/buildings/x/assets",
        "/v1/tests/sessions/01234567-89ab",
        "/v1/tests/sessions/%20/offline_bundle",
        "/v1/evidence/zzzzzzzz-zzzz-7zzz-8zzz-zzzzzzzzzzzz/content",
    ] {
        admin.get(path).problem(404, "FIRE-404");
    }
    let nowhere = admin.request("POST", "/v1/tests/sessions/x/results").key(&new_key());
    nowhere.json(&json!({"changes": []})).send().problem(404, "FIRE-404");
}

#[test]
fn queries_are_read_strictly() {
    let admin = admin();
    admin.get("/v1/buildings?limit=0").invalid(&["limit"]);
    admin.get("/v1/buildings?limit=101").invalid(&["limit"]);
    admin.get("/v1/buildings?limit=ten&is_active=maybe&name=x").invalid(&["limit", "is_active", "name"]);
    admin.get("/v1/buildings?is_active=true&is_active=false").invalid(&["is_active"]);
    let sessions = "/v1/tests/sessions?status=open&date_from=yesterday&building_id=1";
    admin.get(sessions).invalid(&["status", "date_from", "building_id"]);
}

#[test]
fn every_answer_has_a_transaction_id_of_its_own_and_the_headers_that_browsers_need() {
    let client = admin();
    let answers = [
        client.get("/health"),
        client.get("/v1/buildings"),
        client.get("/nowhere"),
        client.delete("/v1/classify"),
        client.post("/v1/buildings", &json!({})),
        client.post("/v1/classify", &json!({})),
        client.get("/docs/index.html"),
    ];
    let mut ids = HashSet::new();
    for answer in answers {
        let status = answer.status;
        let answer = answer.expect(status);
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{}", answer.what);
        assert_eq!(answer.headers.get_all("x-transaction-id").iter().count(), 1, "{}", answer.what);
        assert!(ids.insert(answer.header("x-transaction-id").to_owned()), "{}", answer.what);
    }
}

#[test]
fn both_processes_log_a_request_under_its_transaction_id() {
    let stack = Stack::shared();
    let answer =
        admin().post("/v1/classify", &json!({"item_code": "X", "observed_condition": "y"})).expect(404);
    let id = answer.header("x-transaction-id");
    for child in ["api", "ingest"] {
        crate::support::eventually(&format!("the log of {child} names the request"), || {
            stack.logs().find(|event| event["child"] == child && event["transaction_id"] == id)
        });
    }
}

#[test]
fn a_token_that_is_not_good_is_401_on_both_sides_of_the_proxy() {
    let stack = Stack::shared();
    let organisation = Organisation::register(stack);
    let secret = fs::read_to_string(stack.folder().path().join("secrets/jwt_secret_key")).unwrap();
    let forge = |change: fn(&mut Value), algorithm: Algorithm, secret: &str| {
        let mut claims = claims_of(&organisation);
        change(&mut claims);
        jsonwebtoken::encode(&Header::new(algorithm), &claims, &EncodingKey::from_secret(secret.as_bytes()))
            .unwrap()
    };
    let routes = [("GET", "/v1/buildings"), ("POST", "/v1/classify"), ("POST", "/v1/evidence")];
    let refused = |client: &Client, code: &str| {
        for (method, path) in routes {
            let answer = client.request(method, path).key(&new_key()).send().problem(401, code);
            assert_eq!(answer.header("www-authenticate"), "Bearer");
        }
    };
    // Another service with the same secret may make tokens, so one made here works.
    let good = stack.client().with_token(forge(|_| {}, Algorithm::HS256, &secret));
    good.get("/v1/buildings").expect(200);

    refused(&stack.client(), "FIRE-401");
    let expired = forge(|claims| claims["exp"] = 1_700_000_000.into(), Algorithm::HS256, &secret);
    refused(&stack.client().with_token(expired), "FIRE-401-EXPIRED");
    let unsigned = format!("{}.", forge(|_| {}, Algorithm::HS256, &secret).rsplit_once('.').unwrap().0);
    for token in [
        "garbage".to_owned(),
        "a.b.c".to_owned(),
        unsigned,
        forge(|_| {}, Algorithm::HS512, &secret),
        forge(|_| {}, Algorithm::HS256, "another secret that is as long as ours is"),
        forge(|claims| claims["aud"] = "firemode-ingest".into(), Algorithm::HS256, &secret),
        forge(|claims| claims["iss"] = "somebody".into(), Algorithm::HS256, &secret),
        forge(|claims| claims["nbf"] = 4_000_000_000_i64.into(), Algorithm::HS256, &secret),
        forge(|claims| claims["role"] = "owner".into(), Algorithm::HS256, &secret),
        forge(|claims| drop(claims.as_object_mut().unwrap().remove("exp")), Algorithm::HS256, &secret),
        "x".repeat(5_000),
    ] {
        refused(&stack.client().with_token(token), "FIRE-401");
    }
    let basic = stack.client().request("GET", "/v1/buildings").header("authorization", "Basic YTpi").send();
    basic.problem(401, "FIRE-401");
}

#[test]
fn a_token_of_another_service_is_for_users_that_there_are() {
    let stack = Stack::shared();
    let (ours, theirs) = (Organisation::register(stack), Organisation::register(stack));
    let key = EncodingKey::from_secret(stack.folder().secret("jwt_secret_key").as_bytes());
    let token = |user_id: Uuid, organisation_id: Uuid, later_seconds: u64| {
        let mut claims = claims_of(&ours);
        claims["sub"] = json!(user_id);
        claims["org"] = json!(organisation_id);
        claims["iat"] = json!(claims["iat"].as_u64().unwrap() + later_seconds);
        let token = jsonwebtoken::encode(&Header::default(), &claims, &key).unwrap();
        stack.client().with_token(token)
    };
    let refused = |client: &Client| {
        let building = json!({"site_name": new_key(), "site_address": "B"});
        client.get("/v1/buildings").problem(401, "FIRE-401-REVOKED");
        client.post("/v1/buildings", &building).problem(401, "FIRE-401-REVOKED");
        client.post("/v1/auth/logout", &json!({})).problem(401, "FIRE-401-REVOKED");
        client.request("POST", "/v1/evidence").key(&new_key()).send().problem(401, "FIRE-401-REVOKED");
    };
    token(ours.user_id, ours.id, 0).get("/v1/buildings").expect(200);
    refused(&token(Uuid::new_v4(), ours.id, 0));
    refused(&token(ours.user_id, Uuid::new_v4(), 0));
    refused(&token(theirs.user_id, ours.id, 0));

    let invited = json!({"email": format!("{}@example.com", new_key()), "role": "admin"});
    let invited = ours.admin.post("/v1/users", &invited).expect(201).id();
    refused(&token(invited.parse().unwrap(), ours.id, 0));

    let member = ours.member(stack, "manager").user_id;
    let path = format!("/v1/users/{member}");
    token(member, ours.id, 0).get("/v1/buildings").expect(200);
    ours.admin.patch(&path, &json!({"is_active": false})).expect(200);
    // Made after the user was disabled, by a clock that is ahead of ours.
    refused(&token(member, ours.id, 4));
    ours.admin.patch(&path, &json!({"is_active": true})).expect(200);
    token(member, ours.id, 4).get("/v1/buildings").expect(200);
}

#[test]
fn nothing_that_a_client_sends_passes_for_the_word_of_the_api() {
    let stack = Stack::shared();
    let (organisation, victim) = (Organisation::register(stack), Organisation::register(stack));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    // As good as the API's own: somebody has got hold of the key, and is still outside.
    let claims = json!({
        "iss": "firemode", "aud": "firemode-ingest", "sub": victim.user_id, "org": victim.id, "role": "admin",
        "access_jti": Uuid::new_v4(), "access_iat": now, "transaction_id": Uuid::new_v4(), "nbf": now, "exp": now + 60,
    });
    let key = EncodingKey::from_secret(stack.folder().secret("internal_jwt_secret_key").as_bytes());
    let internal = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap();
    let fault = json!({"item_code": "EXT-PRESSURE", "observed_condition": "pressure_low"});
    let classify = |client: &Client, headers: &[(&str, &str)]| {
        let request = client.request("POST", "/v1/classify").key(&new_key()).json(&fault);
        headers.iter().fold(request, |request, (name, value)| request.header(name, value)).send()
    };
    let bearer = format!("Bearer {internal}");
    classify(&stack.client().with_token(&internal), &[]).problem(401, "FIRE-401");
    // Two of them, in either order: a proxy before the API may have looked at the other.
    classify(&organisation.admin, &[("authorization", &bearer)]).problem(401, "FIRE-401");
    classify(
        &stack.client().with_token(&internal),
        &[("Authorization", &format!("Bearer {}", organisation.admin.token()))],
    )
    .problem(401, "FIRE-401");
    for headers in [
        [("proxy-authorization", bearer.as_str()), ("x-internal-authorization", &bearer)],
        [("X-Firemode-Organisation", "00000000-0000-0000-0000-000000000002"), ("x-user-id", "1")],
        [("connection", "authorization, x-transaction-id, content-type"), ("AUTHORIZATION-", &bearer)],
        [("connection", "close, Authorization"), ("x-forwarded-authorization", &bearer)],
    ] {
        classify(&organisation.admin, &headers).expect(200);
    }
    let done = |client: &Client| client.get("/v1/audit?action=fault.classify").expect(200).data().len();
    assert_eq!((done(&organisation.admin), done(&victim.admin)), (4, 0));
}

#[test]
fn a_role_may_do_what_the_table_says_and_no_more() {
    let stack = Stack::shared();
    let organisation = Organisation::register(stack);
    let technician = organisation.member(stack, "technician").client;
    let auditor = organisation.member(stack, "auditor").client;
    let building = json!({"site_name": "A", "site_address": "B"});
    technician.post("/v1/buildings", &building).problem(403, "FIRE-403");
    technician.get("/v1/audit").problem(403, "FIRE-403");
    technician.get("/v1/buildings").expect(200);
    auditor.get("/v1/audit").expect(200);
    auditor.post("/v1/classify", &json!({})).problem(403, "FIRE-403");
    auditor.post("/v1/auth/revoke-all", &json!({})).problem(403, "FIRE-403");
    organisation.member(stack, "manager").client.post("/v1/buildings", &building).expect(201);
}

fn claims_of(organisation: &Organisation) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    json!({
        "iss": "firemode", "aud": "firemode-api", "sub": organisation.user_id, "org": organisation.id, "role": "admin",
        "jti": Uuid::new_v4(), "iat": now, "nbf": now, "exp": now + 60,
    })
}
