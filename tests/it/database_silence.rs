//! A database that is there, and from which nothing comes back: a network that drops what is sent, without a word.

use std::time::{Duration, Instant};

use firemode_runtime::data_dir::EmbeddedDatabase;
use serde_json::{Value, json};

use crate::support::relay::Relay;
use crate::support::site::operation;
use crate::support::wait::within;
use crate::support::{Site, Stack, eventually, new_key};

/// A refusal comes within two seconds; a busy machine gets as much again.
const REFUSED_WITHIN: Duration = Duration::from_secs(4);

const BACK_WITHIN: Duration = Duration::from_secs(10);

const BEGIN: &str =
    "the database does not answer: connections that are silent are given up, and requests refused meanwhile";
const END: &str = "the database answers again";

/// An appliance that reaches its database through a relay.
struct Far {
    stack: Stack,
    site: Site,
    relay: Relay,
    near: Stack,
}

impl Far {
    fn new() -> Self {
        let near = Stack::start(&[]);
        let database = EmbeddedDatabase::of(near.folder().path()).unwrap();
        let relay = Relay::to_database(&database.socket);
        let stack = near.beside(&[("DATABASE_URL", &relay.database_url())]);
        let site = Site::on(&stack);
        Self { stack, site, relay, near }
    }

    fn send(&self, key: &str, number: usize) -> u16 {
        let path = format!("{}/remarks", self.site.items[0]);
        let body = json!({"changes": [operation("tablet", "append", &path, json!(number))]});
        let answer =
            self.site.admin.request("POST", &self.site.session("/results")).key(key).json(&body).send();
        if answer.status == 503 {
            assert!(!answer.header("retry-after").is_empty());
        }
        answer.status
    }

    /// Until it is acknowledged.
    fn send_until_taken(&self, key: &str, number: usize) {
        let taken = within(BACK_WITHIN, || (self.send(key, number) == 200).then_some(()));
        assert!(taken.is_some(), "{number} is not taken: {}", self.stack.logs().about(""));
    }

    fn remarks(&self) -> Value {
        let read = || Some(self.site.admin.get(&self.site.session(""))).filter(|answer| answer.status == 200);
        let read = eventually("the session can be read", read);
        read["document"]["items"][&self.site.items[0]]["remarks"].clone()
    }

    fn logged(&self, message: &str, child: &str) -> usize {
        self.stack.logs().count(|event| event["message"] == message && event["child"] == child)
    }
}

#[test]
fn a_frozen_network_is_refused_at_once_and_forgotten_when_it_thaws() {
    let far = Far::new();
    far.send_until_taken(&new_key(), 0);
    let key = new_key();
    far.relay.freeze();
    let frozen = Instant::now();
    while frozen.elapsed() < Duration::from_secs(8) {
        let asked = Instant::now();
        assert_eq!(far.send(&key, 1), 503);
        let list = far.site.admin.get("/v1/tests/sessions").status;
        assert_eq!(list, 503);
        assert!(
            asked.elapsed() < 2 * REFUSED_WITHIN,
            "two requests were refused after {:?}",
            asked.elapsed()
        );
        if frozen.elapsed() > 2 * REFUSED_WITHIN {
            assert!(asked.elapsed() < Duration::from_secs(1), "it is known by now");
        }
    }
    far.relay.thaw();
    far.send_until_taken(&key, 1);
    assert_eq!(far.remarks(), json!([0, 1]), "each of them once");
    for child in ["api", "ingest"] {
        eventually("the end is logged", || (far.logged(END, child) > 0).then_some(()));
        assert_eq!((far.logged(BEGIN, child), far.logged(END, child)), (1, 1), "{child}");
    }
    far.stack.wait_until_ready();
}

#[test]
fn connections_that_are_dead_are_given_up_and_hold_no_keys() {
    let far = Far::new();
    far.send_until_taken(&new_key(), 0);
    for number in 1..4 {
        let key = new_key();
        far.relay.forget_connections();
        far.send_until_taken(&key, number);
    }
    assert_eq!(far.remarks(), json!([0, 1, 2, 3]), "each of them once");
    // A connection that dies in the middle of a transaction leaves a key behind, until that is ended too.
    let sql = far.near.sql();
    sql.batch("begin");
    sql.rows("select from test_sessions where id = $1::text::uuid for update", &[&far.site.session_id]);
    let key = new_key();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| far.send(&key, 4));
        std::thread::sleep(Duration::from_millis(300));
        far.relay.forget_connections();
        std::thread::sleep(Duration::from_millis(300));
        sql.batch("commit");
        assert!([200, 503].contains(&waiting.join().unwrap()));
    });
    far.send_until_taken(&key, 4);
    assert_eq!(far.remarks(), json!([0, 1, 2, 3, 4]));
}

#[test]
fn who_waits_for_a_statement_that_takes_long_is_not_given_up() {
    let far = Far::new();
    let sql = far.near.sql();
    sql.batch("begin");
    sql.rows("select from test_sessions where id = $1::text::uuid for update", &[&far.site.session_id]);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| far.send(&new_key(), 0));
        std::thread::sleep(Duration::from_secs(5));
        sql.batch("commit");
        assert_eq!(waiting.join().unwrap(), 200);
    });
    assert_eq!(far.logged(BEGIN, "ingest"), 0);
}
