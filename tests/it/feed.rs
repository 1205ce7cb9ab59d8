//! `GET /v1/tests/sessions/changes`: what changed since a token.

use serde_json::{Value, json};

use crate::support::site::{new_building, open_session, operation};
use crate::support::{Answer, Client, Device, Organisation, Site, Stack};

const FEED: &str = "/v1/tests/sessions/changes";

/// A client that follows.
struct Follower {
    client: Client,
    since: String,
}

impl Follower {
    /// One that wants what comes.
    fn of(client: &Client) -> Self {
        let begun = client.get(&format!("{FEED}?since=now")).expect(200);
        assert_eq!((&begun["data"], &begun["next_cursor"]), (&json!([]), &Value::Null));
        Self { client: client.clone(), since: begun.text("/since") }
    }

    /// Ids of the sessions that changed since it last asked, with pages of this size.
    fn changed(&mut self, limit: u32) -> Vec<String> {
        let mut ids = Vec::new();
        loop {
            let page = self.client.get(&format!("{FEED}?limit={limit}&since={}", self.since)).expect(200);
            ids.extend(page.data().iter().map(|row| row["id"].as_str().unwrap().to_owned()));
            self.since = page.text("/since");
            if page["next_cursor"].is_null() {
                assert_eq!(page.header("link"), "");
                return ids;
            }
            assert_eq!(page["next_cursor"], self.since);
            assert!(
                page.header("link").contains(&format!("cursor={}>", self.since)),
                "{}",
                page.header("link")
            );
        }
    }
}

fn outcome(site: &Site, value: &str) -> Value {
    let path = format!("{}/outcome", site.items[0]);
    json!({"changes": [operation("tablet", "set", &path, json!(value))]})
}

#[test]
fn whatever_happens_to_a_session_is_heard_once() {
    let site = Site::new();
    let id = [site.session_id.clone()];
    let mut follower = Follower::of(&site.admin);
    assert_eq!(follower.changed(20), [""; 0]);
    let other = open_session(&site.admin, &site.building_id);
    assert_eq!(follower.changed(20), [other]);
    site.admin.patch(&site.session(""), &json!({"name": "second visit"})).expect(200);
    assert_eq!(follower.changed(20), id);
    site.send(&outcome(&site, "pass")).expect(200);
    assert_eq!(follower.changed(20), id);
    site.set_status("completed").expect(200);
    assert_eq!(follower.changed(20), id);
    site.send(&outcome(&site, "fail")).expect(200);
    assert_eq!(follower.changed(20), id, "late work");
    site.admin.request("POST", &site.session("/late/accept")).send().expect(200);
    let page = site.admin.get(&format!("{FEED}?since={}", follower.since)).expect(200);
    assert_eq!(page["data"][0]["heads"], site.read()["heads"], "the session as it is now");
    assert_eq!(follower.changed(20), id, "what was decided on it");
    assert_eq!(follower.changed(20), [""; 0]);
    new_building(&site.admin);
    Site::of(Organisation::register(Stack::shared()));
    assert_eq!(follower.changed(20), [""; 0], "what is no session's, or another tenant's");
}

#[test]
fn it_begins_with_everything_and_pages_give_each_session_once() {
    let site = Site::new();
    let mut made: Vec<String> = (0..6).map(|_| open_session(&site.admin, &site.building_id)).collect();
    made.push(site.session_id.clone());
    made.sort();
    for limit in [1, 2, 7, 100] {
        let first = site.admin.get(&format!("{FEED}?limit={limit}")).expect(200);
        let mut changed: Vec<String> =
            first.data().iter().map(|row| row["id"].as_str().unwrap().into()).collect();
        let mut follower = Follower { client: site.admin.clone(), since: first.text("/since") };
        changed.extend(follower.changed(limit));
        assert_eq!(changed, made, "limit {limit}");
        assert_eq!(follower.changed(limit), [""; 0]);
    }
    let mut follower = Follower::of(&site.admin);
    for id in &made {
        site.admin.patch(&format!("/v1/tests/sessions/{id}"), &json!({"name": "again"})).expect(200);
    }
    assert_eq!(follower.changed(3), made);
}

#[test]
fn a_change_that_commits_behind_a_later_one_is_heard() {
    let (stack, site) = (Stack::shared(), Site::new());
    let mut follower = Follower::of(&site.admin);
    let slow = stack.sql();
    slow.rows("begin", &[]);
    let rename = "update test_sessions set name = 'slow' where id = $1::text::uuid";
    slow.rows(rename, &[&site.session_id]);
    let later = open_session(&site.admin, &site.building_id);
    assert_eq!(follower.changed(1), [later]);
    slow.rows("commit", &[]);
    assert_eq!(follower.changed(1), [site.session_id]);
    assert_eq!(follower.changed(1), [""; 0]);
}

#[test]
fn rows_of_another_cluster_are_read_and_are_no_news() {
    let (stack, site) = (Stack::shared(), Site::new());
    let mut follower = Follower::of(&site.admin);
    // A plain dump keeps transaction ids; those of the old cluster may be far ahead of this one's.
    let restored = open_session(&site.admin, &site.building_id);
    let copy = "insert into session_changes (session_id, organisation_id, hash, actor, seq, start_op, deps, bytes, user_id,
                                             device, instance_id, xid)
                select $1::text::uuid, organisation_id, hash, actor, seq, start_op, deps, bytes, user_id, device,
                       instance_id, '1099511627776'::xid8
                from session_changes where session_id = $2::text::uuid and deps = '{}'";
    let id = uuid::Uuid::now_v7().to_string();
    let session = "insert into test_sessions (id, organisation_id, building_id, name, created_by)
                   select $1::text::uuid, organisation_id, building_id, 'restored', created_by
                   from test_sessions where id = $2::text::uuid";
    stack.sql().rows(session, &[&id, &restored]);
    stack.sql().rows(copy, &[&id, &site.session_id]);
    assert_eq!(follower.changed(20), [restored, id.clone()]);
    let path = format!("/v1/tests/sessions/{id}");
    for _ in 0..2 {
        assert_eq!(site.admin.get(&path).expect(200)["document"], site.read()["document"]);
        assert_eq!(follower.changed(20), [""; 0]);
    }
}

#[test]
fn a_token_is_good_for_its_own_tenant_and_cannot_be_forged() {
    let site = Site::new();
    let follower = Follower::of(&site.admin);
    let ask = |client: &Client, token: &str| client.get(&format!("{FEED}?since={token}"));
    let refused = |answer: Answer| answer.problem(400, "FIRE-400-CURSOR");
    let stranger = Organisation::register(Stack::shared()).admin;
    refused(ask(&stranger, &follower.since));
    open_session(&site.admin, &site.building_id);
    let cursor = site.admin.get("/v1/tests/sessions?limit=1").expect(200).text("/next_cursor");
    refused(ask(&site.admin, &cursor));
    site.admin.get(&format!("/v1/tests/sessions?cursor={}", follower.since)).problem(400, "FIRE-400-CURSOR");
    let token = &follower.since;
    for damaged in ["x", "", "e30", &token[1..], &format!("{token}AA"), &"A".repeat(5_000)] {
        refused(ask(&site.admin, damaged));
    }
    site.admin.get(&format!("{FEED}?limit=0")).invalid(&["limit"]);
    site.admin.get(&format!("{FEED}?since={token}&cursor={token}")).invalid(&["cursor"]);
}

#[test]
fn a_token_from_before_a_restore_is_gone() {
    let stack = Stack::start(&[]);
    let site = Site::on(&stack);
    open_session(&site.admin, &site.building_id);
    let since = Follower::of(&site.admin).since;
    let within = site.admin.get(&format!("{FEED}?limit=1")).expect(200).text("/next_cursor");
    stack.sql().rows("update database_incarnation set id = gen_random_uuid()", &[]);
    for token in [since, within] {
        site.admin.get(&format!("{FEED}?since={token}")).problem(410, "FIRE-410");
    }
    site.admin.get(FEED).expect(200);
}

#[test]
fn a_list_of_sessions_shows_what_was_acknowledged_a_moment_ago() {
    let site = Site::new();
    let mut device = Device::of(&site);
    open_session(&site.admin, &site.building_id);
    for value in ["pass", "fail", "pass"] {
        let change = device.set(&site.items[0], "outcome", value);
        site.send(&device.body(&[&change])).expect(200);
        let rows = site.admin.get("/v1/tests/sessions").expect(200);
        let row = rows.data().iter().find(|row| row["id"] == *site.session_id).unwrap();
        assert_eq!(row["heads"], json!(device.heads()));
        assert_eq!(row["vector_clock"], site.read()["vector_clock"]);
    }
}
