//! Feeds that go on with a token: whoever keeps what they tell ends with what is stored, however many write meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::exports::feed;
use crate::support::site::{open_session, operation};
use crate::support::{Client, Device, Site, Stack, eventually, new_key};

/// Somebody who keeps the rows of a feed.
struct Keeper<'a> {
    client: &'a Client,
    kind: &'static str,
    since: Option<String>,
    rows: BTreeMap<String, Value>,
}

impl<'a> Keeper<'a> {
    fn of(client: &'a Client, kind: &'static str) -> Self {
        let mut keeper = Self { client, kind, since: None, rows: BTreeMap::new() };
        keeper.go_on();
        keeper
    }

    /// What was told since the last time, by ids.
    fn go_on(&mut self) -> Vec<String> {
        let since = self.since.as_ref().map(|since| format!("?since={since}")).unwrap_or_default();
        let told = feed(self.client, &format!("{}{since}", self.kind));
        self.since = Some(told.next_since);
        let key = match self.kind {
            "results" => "hash",
            // These tests keep those of one session.
            "items" => "item_id",
            _ => "id",
        };
        let mut ids = Vec::new();
        for row in told.rows {
            let id = row[key].as_str().unwrap().to_owned();
            match row["is_removed"] == true {
                true => drop(self.rows.remove(&id)),
                false => drop(self.rows.insert(id.clone(), row)),
            }
            ids.push(id);
        }
        let each: BTreeSet<&String> = ids.iter().collect();
        assert_eq!(each.len(), ids.len(), "a row comes once: {ids:?}");
        ids
    }

    fn row(&self, id: &str) -> &Value {
        self.rows.get(id).unwrap_or_else(|| panic!("{id} was not told by {}", self.kind))
    }
}

fn set(site: &Site, item: usize, field: &str, value: Value) {
    let path = format!("{}/{field}", site.items[item]);
    site.send(&json!({"changes": [operation("tablet", "set", &path, value)]})).expect(200);
}

const WRITERS: usize = 8;
const ROUNDS: usize = 12;

#[test]
fn beside_many_writers_no_row_is_missed_and_none_comes_twice() {
    let site = Site::new();
    let left = AtomicUsize::new(WRITERS);
    let write = |writer: usize| {
        for round in 0..ROUNDS {
            let session = open_session(&site.admin, &site.building_id);
            let item = format!("item-{writer}-{round}");
            let change = operation("tablet", "set", &item, json!({"outcome": "pass"}));
            let path = format!("/v1/tests/sessions/{session}/results");
            let request = site.admin.request("POST", &path).key(&new_key());
            request.json(&json!({"changes": [change]})).send().expect(200);
            site.admin.patch(&format!("/v1/tests/sessions/{session}"), &json!({"name": item})).expect(200);
        }
        left.fetch_sub(1, Ordering::AcqRel);
    };
    // Each reader is another user: one has one export at a time.
    let readers: Vec<Client> =
        (0..3).map(|_| site.organisation.member(Stack::shared(), "auditor").client).collect();
    let kinds = ["sessions", "results", "audit"];
    let told = thread::scope(|scope| {
        for writer in 0..WRITERS {
            scope.spawn(move || write(writer));
        }
        let follow = |(client, kind)| {
            let left = &left;
            scope.spawn(move || {
                let mut keeper = Keeper::of(client, kind);
                let mut times: BTreeMap<String, usize> =
                    keeper.rows.keys().map(|id| (id.clone(), 1)).collect();
                loop {
                    let is_last = left.load(Ordering::Acquire) == 0;
                    for id in keeper.go_on() {
                        *times.entry(id).or_default() += 1;
                    }
                    if is_last {
                        return (keeper.rows, times);
                    }
                }
            })
        };
        let followers: Vec<_> = readers.iter().zip(kinds).map(follow).collect();
        followers.into_iter().map(|follower| follower.join().unwrap()).collect::<Vec<_>>()
    });
    let sql = Stack::shared().sql();
    let stored = |statement: &str| -> BTreeSet<String> {
        sql.rows(statement, &[&site.organisation.id]).iter().map(|row| row.get(0)).collect()
    };
    let keys = |index: usize| told[index].0.keys().cloned().collect::<BTreeSet<_>>();
    let sessions = "select id::text from test_sessions where organisation_id = $1";
    assert_eq!(keys(0), stored(sessions));
    assert_eq!(keys(0).len(), WRITERS * ROUNDS + 1);
    let changes = "select encode(hash, 'hex') from session_changes where organisation_id = $1";
    assert_eq!(keys(1), stored(changes));
    // What is only ever added is told once, over all times.
    assert!(told[1].1.values().all(|times| *times == 1), "{:?}", told[1].1);
    let acts = "select id::text from audit_log where organisation_id = $1 and action <> 'auth.login'";
    assert!(stored(acts).is_subset(&keys(2)));
    assert!(told[2].1.values().all(|times| *times == 1), "{:?}", told[2].1);
    for row in told[0].0.values() {
        let path = format!("/v1/tests/sessions/{}", row["id"].as_str().unwrap());
        let now = site.admin.get(&path).expect(200);
        assert_eq!((&row["status"], &row["updated_at"]), (&now["status"], &now["updated_at"]));
    }
}

#[test]
fn a_row_that_commits_behind_a_later_one_is_told() {
    let (stack, site) = (Stack::shared(), Site::new());
    let mut keeper = Keeper::of(&site.admin, "sessions");
    let slow = stack.sql();
    slow.rows("begin", &[]);
    slow.rows("update test_sessions set name = 'slow' where id = $1::text::uuid", &[&site.session_id]);
    let later = open_session(&site.admin, &site.building_id);
    assert_eq!(keeper.go_on(), [later]);
    slow.rows("commit", &[]);
    assert_eq!(keeper.go_on(), [&*site.session_id]);
    assert_eq!(keeper.go_on(), [""; 0]);
}

#[test]
fn defects_and_observations_follow_what_is_worked_out_again_and_what_is_no_more() {
    let (stack, site) = (Stack::shared(), Site::new());
    let mut defects = Keeper::of(&site.admin, "defects");
    let mut observations = Keeper::of(&site.admin, "observations");
    set(&site, 0, "outcome", json!("fail"));
    let id = eventually("the defect is told", || defects.go_on().pop());
    let observation = eventually("the observation is told", || observations.go_on().pop());
    assert_eq!(defects.row(&id)["observation_ids"], json!([observation]));
    assert_eq!(defects.row(&id)["condition"], Value::Null);

    // The same observation says something else.
    set(&site, 0, "observed_condition", json!("pressure_low"));
    eventually("the condition is told", || {
        defects.go_on();
        (defects.row(&id)["condition"] == "pressure_low").then_some(())
    });
    observations.go_on();
    assert_eq!(observations.row(&observation)["condition"], "pressure_low");

    // An act of a person changes the defect alone.
    let path = format!("/v1/defects/{id}/transitions");
    site.admin.post(&path, &json!({"to": "acknowledged"})).expect(200);
    assert_eq!(defects.go_on(), [&*id]);
    assert_eq!(defects.row(&id)["status"], "acknowledged");
    assert_eq!(observations.go_on(), [""; 0]);
    assert_eq!(defects.go_on(), [""; 0]);

    // What no fact gives any more is removed, as a rebuild does with it.
    let sql = stack.sql();
    for removal in [
        "delete from item_observations where organisation_id = $1",
        "delete from defect_versions where organisation_id = $1",
        "delete from defects where organisation_id = $1",
    ] {
        sql.rows(removal, &[&site.organisation.id]);
    }
    assert_eq!(defects.go_on(), [id]);
    assert_eq!(observations.go_on(), [observation]);
    assert!(defects.rows.is_empty() && observations.rows.is_empty());
}

#[test]
fn items_follow_what_they_stand_at_and_what_is_no_more() {
    let site = Site::new();
    let mut items = Keeper::of(&site.admin, "items");
    eventually("all items are told", || {
        items.go_on();
        (items.rows.len() == site.items.len()).then_some(())
    });
    set(&site, 0, "outcome", json!("pass"));
    let told = eventually("the outcome is told", || Some(items.go_on()).filter(|told| !told.is_empty()));
    assert_eq!(told, [&*site.items[0]]);
    let row = items.row(&site.items[0]);
    assert_eq!((&row["outcome"], &row["section"]), (&json!("pass"), &json!(10)));
    let own = operation("tablet", "set", "own-item", json!({"outcome": "pass"}));
    site.send(&json!({"changes": [own]})).expect(200);
    eventually("an item of a device's own is told", || {
        items.go_on();
        items.rows.contains_key("own-item").then_some(())
    });
    site.send(&json!({"changes": [operation("tablet", "delete", "own-item", Value::Null)]})).expect(200);
    eventually("that it is no more is told", || {
        items.go_on();
        (!items.rows.contains_key("own-item")).then_some(())
    });
    assert_eq!(items.go_on(), [""; 0]);
}

#[test]
fn a_defect_names_nobody_who_accepts_a_risk() {
    let site = Site::new();
    let id = crate::defect_acts::open(&site.admin, &site.building_id, "non_conformance").expect(201).id();
    let body =
        json!({"to": "deferred", "until": "2030-01-01", "accepted_by": "Mia Owner", "reason": "Agreed."});
    site.admin.post(&format!("/v1/defects/{id}/transitions"), &body).expect(200);
    let defects = Keeper::of(&site.admin, "defects");
    assert_eq!(defects.row(&id)["deferral"]["reason"], "Agreed.");
    assert_eq!(defects.row(&id)["deferral"]["accepted_by"], Value::Null);
}

#[test]
fn a_change_is_told_again_when_it_is_decided_on_and_when_what_it_waits_for_comes() {
    let site = Site::new();
    let mut device = Device::of(&site);
    let first = device.set(&site.items[0], "outcome", "pass");
    let second = device.set(&site.items[0], "notes", "dry");
    let mut results = Keeper::of(&site.admin, "results");
    site.send(&device.body(&[&second])).expect(200);
    let held = results.go_on();
    assert_eq!(held.len(), 1);
    assert_eq!(results.row(&held[0])["standing"], "held");
    site.send(&device.body(&[&first])).expect(200);
    let told: BTreeSet<String> = results.go_on().into_iter().collect();
    assert!(told.len() == 2 && told.contains(&held[0]), "{told:?}");
    assert_eq!(results.row(&held[0])["standing"], "merged");
    assert_eq!(results.row(&held[0])["touched"][0]["path"], format!("/items/{}/notes", site.items[0]));
    assert_eq!(results.go_on(), [""; 0]);

    site.complete();
    set(&site, 1, "outcome", json!("pass"));
    let late = results.go_on();
    assert_eq!((late.len(), &results.row(&late[0])["late"]), (1, &json!("late")));
    site.admin.request("POST", &site.session("/late/accept")).send().expect(200);
    assert_eq!(results.go_on(), late);
    let row = results.row(&late[0]);
    assert_eq!((&row["late"], &row["standing"]), (&json!("accepted"), &json!("merged")));
    assert_eq!(results.go_on(), [""; 0]);
}
