//! Background work as those see it who started it.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Client, Organisation, Stack, eventually};

/// Adds a job that no worker knows, of a user.
pub(crate) fn add(organisation: &Organisation, user_id: Uuid, key: &str) -> Uuid {
    let id = Uuid::now_v7();
    let sql = "insert into jobs (id, organisation_id, created_by, kind, key, input, progress)
               values ($1, $2, $3, 'one of the test', $4, '{\"secret\": 1}', 0.25)";
    Stack::shared().sql().rows(sql, &[&id, &organisation.id, &user_id, &key]);
    id
}

/// A job that a client has started, once it has ended.
pub(crate) fn ended(client: &Client, id: &str) -> Value {
    let read = || client.get(&format!("/v1/jobs/{id}")).expect(200).json;
    eventually("the job ends", || Some(read()).filter(|job| job["finished_at"].is_string()))
}

#[test]
fn who_started_a_job_sees_where_it_stands_and_nobody_else_does() {
    let stack = Stack::shared();
    let organisation = Organisation::register(stack);
    let colleague = organisation.member(stack, "auditor");
    let stranger = Organisation::register(stack);
    let own = add(&organisation, organisation.user_id, "own");
    let others = add(&organisation, colleague.user_id, "a colleague's");
    let path = format!("/v1/jobs/{own}");
    let shown = organisation.admin.get(&path).expect(200);
    assert_eq!(shown["progress"], 0.25);
    let members: Vec<&String> = shown.json.as_object().unwrap().keys().collect();
    assert_eq!(members, ["created_at", "error", "finished_at", "id", "kind", "progress", "result", "state"]);
    assert_eq!((&shown["state"], &shown["finished_at"]), (&json!("waiting"), &Value::Null));
    for client in [&colleague.client, &stranger.admin] {
        client.get(&path).problem(404, "FIRE-404");
    }
    organisation.admin.get(&format!("/v1/jobs/{}", Uuid::nil())).problem(404, "FIRE-404");
    // The appliance's own are nobody's.
    let sweep: Uuid = stack.sql().rows("select id from jobs where kind = 'sweep'", &[])[0].get(0);
    organisation.admin.get(&format!("/v1/jobs/{sweep}")).problem(404, "FIRE-404");
    let listed = |client: &crate::support::Client, query: &str| -> Vec<String> {
        let list = client.get(&format!("/v1/jobs{query}")).expect(200);
        list.data().iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(listed(&organisation.admin, ""), [own.to_string()]);
    assert_eq!(listed(&colleague.client, ""), [others.to_string()]);
    assert!(listed(&stranger.admin, "").is_empty());

    let done = "update jobs set state = 'done', finished_at = now(), progress = 1, result = '{\"rows\": 3}' where id = $1";
    stack.sql().rows(done, &[&own]);
    let second = add(&organisation, organisation.user_id, "second");
    let shown = organisation.admin.get(&path).expect(200);
    assert_eq!((&shown["state"], &shown["result"]), (&json!("done"), &json!({"rows": 3})));
    assert!(shown["finished_at"].is_string());
    assert_eq!(listed(&organisation.admin, "?state=done"), [own.to_string()]);
    assert_eq!(
        listed(&organisation.admin, "?state=waiting&state=done"),
        [second.to_string(), own.to_string()]
    );
    let first = organisation.admin.get("/v1/jobs?limit=1").expect(200);
    let next = format!("?limit=1&cursor={}", first.text("/next_cursor"));
    assert_eq!(listed(&organisation.admin, &next), [own.to_string()]);
    organisation.admin.get("/v1/jobs?state=lost").invalid(&["state"]);
}

#[test]
fn the_public_metrics_tell_of_jobs_by_kind() {
    let organisation = Organisation::register(Stack::shared());
    let metrics = String::from_utf8(organisation.admin.get("/metrics").expect(200).body).unwrap();
    for name in [
        "firemode_jobs{kind=\"sweep\",state=\"waiting\"}",
        "firemode_jobs{kind=\"clocks\",state=\"running\"}",
        "firemode_jobs_oldest_seconds{kind=\"sweep\"}",
    ] {
        assert!(metrics.lines().any(|line| line.starts_with(name)), "{name}: {metrics}");
    }
}
