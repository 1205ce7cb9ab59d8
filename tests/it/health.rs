//! Health and readiness.

use serde_json::{Value, json};

use crate::support::stack::NOWHERE;
use crate::support::{Client, Folder, Organisation, Stack, eventually};

#[test]
fn health_and_liveness_answer_to_get_and_head_with_and_without_a_slash() {
    let client = Stack::shared().client();
    for path in ["/health", "/health/", "/health/live", "/health/live/"] {
        assert_eq!(client.get(path).expect(200).json, json!({"status": "ok"}), "{path}");
        let head = client.request("HEAD", path).send().expect(200);
        assert!(head.body.is_empty(), "{path}");
        assert_eq!(head.header("content-type"), "application/json", "{path}");
    }
    assert_eq!(client.get("/").expect(200)["name"], "FireMode");
}

#[test]
fn readiness_names_its_five_checks_and_shows_figures_to_an_admin_alone() {
    let stack = Stack::shared();
    let organisation = Organisation::register(stack);
    let technician = organisation.member(stack, "technician").client;
    // On a busy machine the database may be slow for a moment, which the check says truly.
    let ready = |client: &Client| {
        eventually("readiness", || Some(client.get("/health/ready")).filter(|answer| answer.status == 200))
    };
    let anybody = ready(&stack.client()).expect(200);
    let checks = json!({
        "database": true, "ingest_service": true, "rtl_enabled": true, "migrations": true, "performance": true,
    });
    assert_eq!(anybody.json, json!({"ready": true, "status": "healthy", "checks": checks}));
    assert!(ready(&technician)["details"].is_null());
    let garbage = stack.client().with_token("garbage");
    assert!(ready(&garbage)["details"].is_null(), "a token that is not good counts as none");

    let details = &ready(&organisation.admin)["details"];
    for figure in ["latency_microseconds", "pool_connections", "pool_connections_max", "schema_version"] {
        assert!(details[figure].as_u64().is_some_and(|number| number > 0), "{figure}: {details}");
    }
    assert!(stack.client().request("HEAD", "/health/ready").send().body.is_empty());
}

#[test]
fn without_a_database_it_says_so_and_still_answers() {
    let stack = Stack::launch(&Folder::new(), &[("DATABASE_URL", NOWHERE)]);
    let client = stack.client();
    client.get("/").expect(200);
    client.get("/health").expect(200);
    client.get("/health/live").expect(200);
    client.get("/docs/index.html").expect(200);
    client.get("/v1/buildings").problem(503, "FIRE-503-STARTING");
    client.post("/v1/auth/login", &json!({})).problem(503, "FIRE-503-STARTING");
    client.get("/v1/no/such/route").problem(404, "FIRE-404-ROUTE");
    client.delete("/v1/classify").problem(405, "FIRE-405");
    let answer = client.get("/health/ready").expect(503);
    assert_eq!(answer["ready"], false);
    assert_eq!(answer["status"], "degraded");
    for check in ["database", "migrations", "rtl_enabled", "performance"] {
        assert_eq!(answer["checks"][check], Value::Bool(false), "{check}");
    }
    assert_eq!(answer.header("retry-after"), "1");
}
