//! A database that answers and takes nothing: readiness says so, writes are refused with a code of their own, and reads go on.

use std::collections::BTreeSet;
use std::time::Instant;

use serde_json::{Value, json};

use crate::support::site::{new_building, operation};
use crate::support::{Answer, Organisation, Site, Stack, eventually, new_key};

/// An appliance, and what is tried on it while its database takes nothing.
struct Victim {
    stack: Stack,
    site: Site,
}

impl Victim {
    fn new() -> Self {
        let stack = Stack::start(&[]);
        let site = Site::on(&stack);
        Self { stack, site }
    }

    fn send(&self) -> Answer {
        let path = format!("{}/remarks", self.site.items[0]);
        let body = json!({"changes": [operation("tablet", "append", &path, json!("seen"))]});
        self.site.admin.request("POST", &self.site.session("/results")).key(&new_key()).json(&body).send()
    }

    /// Everything that writes says the same, and reads go on.
    fn takes_nothing(&self) {
        let site = &self.site;
        let building = json!({"site_name": "Harbour House", "site_address": "1 Quay"});
        let results = self.send();
        let fault = json!({"item_code": "FD-01", "observed_condition": "held open"});
        let answers = [
            results,
            site.admin.post("/v1/buildings", &building),
            site.admin.post(&site.session("/items"), &json!({"label": "Hydrant 1"})),
            site.admin.request("POST", "/v1/classify").key(&new_key()).json(&fault).send(),
        ];
        for answer in answers {
            let answer = answer.problem(503, "FIRE-503-READ-ONLY");
            assert!(!answer.header("retry-after").is_empty());
            let text = answer.json.to_string();
            assert!(
                !text.contains("SQL") && !text.contains("read_only_sql"),
                "nothing of the inside: {text}"
            );
        }
        site.admin.get("/v1/buildings").expect(200);
        site.admin.get(&site.session("")).expect(200);
        site.admin.get("/v1/tests/sessions/changes").expect(200);
    }

    fn ready(&self) -> Answer {
        self.stack.client().get("/health/ready")
    }

    /// Readiness says why it is not ready.
    fn is_not_ready(&self, why: &str) {
        let answer =
            eventually("it is not ready", || Some(self.ready()).filter(|answer| answer.status == 503));
        assert_eq!(answer["status"], "degraded");
        assert_eq!(answer["checks"]["database"], Value::Bool(false));
        let said = answer["reasons"]["database"].as_str().unwrap_or_default();
        assert!(said.contains(why), "{said}");
    }

    fn told(&self, message: &str, of_error: &str) -> usize {
        self.stack.logs().count(|event| {
            event["message"] == message && event["error"].as_str().unwrap_or_default().contains(of_error)
        })
    }

    /// A busy machine is not ready for moments.
    fn is_ready(&self) {
        eventually("it is ready", || Some(self.ready()).filter(|answer| answer.status == 200));
    }

    fn recovers(&self) {
        self.is_ready();
        self.send().expect(200);
        new_building(&self.site.admin);
    }
}

const BEGIN: &str = "the database does not take what this process writes";
const END: &str = "the database takes what this process writes again";

#[test]
fn a_database_that_was_made_read_only_is_read_and_not_ready() {
    let victim = Victim::new();
    let sql = victim.stack.sql();
    sql.batch("alter role firemode set default_transaction_read_only = on");
    sql.end_connections();
    // Before anything was written.
    victim.is_not_ready("read-only");
    victim.takes_nothing();
    victim.is_not_ready("read-only");
    assert!(victim.told(BEGIN, "ERROR 25006: ") > 0, "the log has PostgreSQL's words");
    sql.batch(
        "set default_transaction_read_only = off; alter role firemode reset default_transaction_read_only",
    );
    sql.end_connections();
    victim.recovers();
    assert!(victim.told(END, "") > 0);
}

/// A trigger says what PostgreSQL says when its disk is full.
#[test]
fn a_database_without_room_is_read_and_not_ready_until_a_write_is_taken() {
    let victim = Victim::new();
    let sql = victim.stack.sql();
    sql.batch(
        "create function no_room() returns trigger language plpgsql as
             $$ begin raise exception 'could not extend file: No space left on device' using errcode = 'disk_full'; end $$",
    );
    let tables = ["session_changes", "buildings", "audit_log", "idempotency_keys", "write_probes"];
    for table in tables {
        sql.batch(&format!(
            "create trigger no_room before insert on {table} for each statement execute function no_room()"
        ));
    }
    victim.is_ready();
    victim.takes_nothing();
    victim.is_not_ready("disk is full");
    assert!(victim.told(BEGIN, "ERROR 53100: could not extend file") > 0);
    for table in tables {
        sql.batch(&format!("drop trigger no_room on {table}"));
    }
    victim.recovers();
}

/// Each of them would ask the database five times, on a connection of its own.
#[test]
fn many_who_ask_for_readiness_share_one_look() {
    let stack = Stack::start(&[]);
    let admin = Organisation::register(&stack).admin;
    let ask = || admin.get("/health/ready")["details"]["latency_microseconds"].as_u64();
    let began = Instant::now();
    let figures: BTreeSet<_> = std::thread::scope(|scope| {
        let askers: Vec<_> =
            (0..16).map(|_| scope.spawn(|| (0..20).map(|_| ask()).collect::<Vec<_>>())).collect();
        askers.into_iter().flat_map(|asker| asker.join().unwrap()).collect()
    });
    let looks = began.elapsed().as_secs() + 2;
    assert!(figures.len() as u64 <= looks, "{figures:?} in {looks} s");
}
