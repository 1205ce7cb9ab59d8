//! Lists and followers of the feed beside many writers, on two appliances with one database.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::support::site::{new_building, open_session, operation};
use crate::support::{Client, Organisation, Stack, new_key};

const WRITERS: usize = 16;
const SESSIONS_EACH: usize = 4;

/// What everybody shares.
struct Arena {
    /// The same user on either appliance.
    clients: [Client; 2],
    building: String,
    /// Sessions whose making was acknowledged.
    made: Mutex<BTreeSet<String>>,
    writers_left: AtomicUsize,
}

impl Arena {
    fn client(&self, index: usize) -> &Client {
        &self.clients[index % 2]
    }

    fn is_over(&self) -> bool {
        self.writers_left.load(Ordering::Acquire) == 0
    }

    /// Makes sessions, and changes them and others: their rows on one appliance, their documents on the other.
    fn write(&self, writer: usize) {
        for round in 0..SESSIONS_EACH {
            let id = open_session(self.client(writer), &self.building);
            self.made.lock().unwrap().insert(id.clone());
            let path = format!("/v1/tests/sessions/{id}");
            let name = json!({"name": format!("writer {writer}, round {round}")});
            self.client(writer + round).patch(&path, &name).expect(200);
            let oldest = self.made.lock().unwrap().first().cloned().unwrap();
            for session in [id, oldest] {
                let item =
                    operation("tablet", "set", &format!("item-{writer}-{round}"), json!({"outcome": "pass"}));
                let path = format!("/v1/tests/sessions/{session}/results");
                let request = self.client(writer + round + 1).request("POST", &path).key(&new_key());
                request.json(&json!({"changes": [item]})).send().expect(200);
            }
        }
        self.writers_left.fetch_sub(1, Ordering::AcqRel);
    }

    /// Goes through the list until the writers are done, and once more.
    fn go_through(&self, reader: usize, limit: usize) {
        loop {
            let is_last = self.is_over();
            let before = self.made.lock().unwrap().clone();
            let mut seen = BTreeSet::new();
            let mut cursor = String::new();
            loop {
                // Any appliance goes on where another left off.
                let client = self.client(reader + seen.len() / limit);
                let page = client.get(&format!("/v1/tests/sessions?limit={limit}{cursor}")).expect(200);
                for row in page.data() {
                    let id = row["id"].as_str().unwrap().to_owned();
                    assert!(seen.insert(id), "twice in one pass: {row}");
                }
                match page["next_cursor"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => break,
                }
            }
            let skipped: Vec<_> = before.difference(&seen).collect();
            assert!(
                skipped.is_empty(),
                "made before a pass with limit {limit} began, and not in it: {skipped:?}"
            );
            assert!(seen.len() <= WRITERS * SESSIONS_EACH, "a pass ends");
            if is_last {
                return;
            }
        }
    }

    /// Follows from nothing until nothing more comes; gives what it knows of each session.
    fn follow(&self, follower: usize, limit: usize) -> BTreeMap<String, Value> {
        let mut known = BTreeMap::new();
        let mut since = String::new();
        let mut asked = follower;
        loop {
            let is_last = self.is_over();
            loop {
                asked += 1;
                let path = format!("/v1/tests/sessions/changes?limit={limit}{since}");
                let page = self.client(asked).get(&path).expect(200);
                for row in page.data() {
                    known.insert(row["id"].as_str().unwrap().to_owned(), state(row));
                }
                since = format!("&since={}", page.text("/since"));
                if page["next_cursor"].is_null() {
                    break;
                }
            }
            if is_last {
                return known;
            }
        }
    }
}

/// What a session says that does not differ from one reading to the next.
fn state(row: &Value) -> Value {
    json!([
        row["name"],
        row["status"],
        row["updated_at"],
        row["heads"],
        row["vector_clock"],
        row["item_count"]
    ])
}

#[test]
fn lists_and_followers_miss_nothing_beside_many_writers() {
    let first = Stack::start(&[]);
    let second = first.beside(&[]);
    let organisation = Organisation::register(&first);
    let clients = [organisation.admin.clone(), second.client().with_token(organisation.admin.token())];
    let building = new_building(&clients[0]);
    let arena = Arena { clients, building, made: Mutex::default(), writers_left: AtomicUsize::new(WRITERS) };
    let arena = &arena;
    let followed: Vec<BTreeMap<String, Value>> = thread::scope(|threads| {
        (0..WRITERS).for_each(|writer| drop(threads.spawn(move || arena.write(writer))));
        let readers = [1, 2, 3, 7, 20, 100].into_iter().enumerate();
        readers.for_each(|(reader, limit)| drop(threads.spawn(move || arena.go_through(reader, limit))));
        let follow = |(follower, limit)| threads.spawn(move || arena.follow(follower, limit));
        let followers: Vec<_> = [1, 5, 100].into_iter().enumerate().map(follow).collect();
        followers.into_iter().map(|follower| follower.join().unwrap()).collect()
    });
    let mut finally = BTreeMap::new();
    for id in arena.made.lock().unwrap().iter() {
        let row = arena.clients[0].get(&format!("/v1/tests/sessions/{id}")).expect(200);
        finally.insert(id.clone(), state(&row.json));
    }
    assert_eq!(finally.len(), WRITERS * SESSIONS_EACH);
    for known in followed {
        assert_eq!(known, finally);
    }
}
