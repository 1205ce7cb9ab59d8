//! For a request the database reads only what the request is about. That holds with any statistics that PostgreSQL has of its tables:
//! none, those of small tables, or right ones. It holds for plans of each call and for plans that are made once.

use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use crate::classified_assets::fault;
use crate::support::database::TOLD_AFTER;
use crate::support::organisation::uuid;
use crate::support::plan_mode::{CUSTOM, GENERIC};
use crate::support::site::operation;
use crate::support::stack::command;
use crate::support::{Organisation, Site, Sql, Stack, new_key};

/// All that a request of the hot path looks into, but for the list of revoked tokens: that is read all the time.
const TABLES: [&str; 12] = [
    "assets",
    "baselines",
    "buildings",
    "corrected_places",
    "idempotency_keys",
    "late_changes",
    "organisations",
    "recent_sessions",
    "session_changes",
    "session_operations",
    "test_sessions",
    "users",
];

/// Rows of each kind that a request has nothing to do with.
const OTHERS: i64 = 1_000;

/// Changes of a session.
const CHANGES: usize = 600;

/// How long a connection keeps its plans, and a little.
const PLANS_KEPT: Duration = Duration::from_secs(31);

/// Far below what any plan would read that goes through a table, or through a session.
const ROWS_OF_REQUEST_MAX: i64 = 20;

/// An appliance, and a site of its own.
struct Party {
    site: Site,
    stack: Stack,
}

impl Party {
    /// On the database of this stack, whose statements are planned in this mode.
    fn beside(first: &Stack, mode: &str) -> Self {
        let stack = first.beside_planning(mode, &[]);
        let site = Site::of(Organisation::register(&stack));
        Self { site, stack }
    }

    /// As many operations as there are devices, in one request.
    fn send(&self, devices: usize) {
        let set = |device: usize| {
            let path = format!("{}/notes", self.site.items[device % 3]);
            let mut operation = operation(&format!("tablet-{device}"), "set", &path, json!(new_key()));
            operation["op_id"] = json!(new_key());
            operation
        };
        let operations: Value = (0..devices).map(set).collect();
        let answer = self.site.send(&json!({"changes": operations})).expect(200);
        assert_eq!(answer["accepted"], devices);
    }

    fn send_several(&self, requests: usize) {
        (0..requests).for_each(|_| self.send(1));
    }

    /// Has a fault on an asset classified so many times.
    fn classify_several(&self, requests: usize) {
        let mut fault = fault(&self.site.items[0], 1.0);
        fault["session_id"] = json!(self.site.session_id);
        for _ in 0..requests {
            self.site.admin.post("/v1/classify", &fault).expect(200);
        }
    }

    /// Checks how many rows of each table the database reads for a request of each kind. Ends the connections, and with them their plans.
    fn check_requests(&self, sql: &Sql, statistics: &str) {
        self.check(sql, statistics, |requests| self.send_several(requests));
        self.classify_several(12);
        self.check(sql, statistics, |requests| self.classify_several(requests));
    }

    fn check(&self, sql: &Sql, statistics: &str, send: impl FnOnce(usize)) {
        const REQUESTS: i64 = 20;
        let before = sql.rows_read(&TABLES);
        send(REQUESTS as usize);
        sql.end_connections();
        let mut read = sql.rows_read(&TABLES);
        read.iter_mut().for_each(|(table, rows)| *rows = (*rows - before[table]) / REQUESTS);
        let most = read.values().max();
        assert!(
            most <= Some(&ROWS_OF_REQUEST_MAX),
            "a request reads so many rows with {statistics} statistics: {read:?}"
        );
    }

    /// Lets everything grow that the site's requests might meet.
    fn grow(&self, sql: &Sql) {
        (0..CHANGES / 100).for_each(|_| self.send(100));
        let (organisation_id, user_id) = (self.site.organisation.id, self.site.organisation.user_id);
        sql.rows(
            "insert into idempotency_keys (organisation_id, user_id, method, path, key, fingerprint, status, answer, expires_at)
             select $1, $2, 'POST', $3, n::text, sha256(''), 200, '{}', now() + interval '1 day' from generate_series(1, $4::int8) n",
            &[&organisation_id, &user_id, &self.site.session("/results"), &OTHERS],
        );
        sql.rows(
            "insert into users (id, organisation_id, email, password_hash, full_name_encrypted, role)
             select gen_random_uuid(), $1, gen_random_uuid() || '@example.org', 'x', 'x', 'technician' from generate_series(1, $2::int8)",
            &[&organisation_id, &OTHERS],
        );
        sql.rows(
            "insert into test_sessions (id, organisation_id, building_id, name, created_by)
             select gen_random_uuid(), $1, $2, 'x', $3 from generate_series(1, $4::int8)",
            &[&organisation_id, &uuid(&self.site.building_id), &user_id, &OTHERS],
        );
        let (building_id, asset_id) = (uuid(&self.site.building_id), uuid(&self.site.items[0]));
        sql.rows(
            "insert into assets (id, organisation_id, building_id, item_code, section, label, location)
             select gen_random_uuid(), $1, $2, 'X', 2, 'x', 'x' from generate_series(1, $3::int8)",
            &[&organisation_id, &building_id, &OTHERS],
        );
        sql.rows(
            "insert into baselines (id, organisation_id, asset_id, quantities, source, valid_from, recorded_by)
             select gen_random_uuid(), $1, $2, '{\"pressure\": {\"value\": 1000, \"unit\": \"kPa\"}}', 'x', date '2020-01-01' + n::int, $3
             from generate_series(1, $4::int8) n",
            &[&organisation_id, &asset_id, &user_id, &OTHERS],
        );
        sql.rows(
            "insert into corrected_places (id, organisation_id, building_id, corrected_by)
             select gen_random_uuid(), $1, $2, $3 from generate_series(1, $4::int8)",
            &[&organisation_id, &building_id, &user_id, &OTHERS],
        );
        sql.rows(
            "insert into token_revocation_list (id, organisation_id, user_id, jti, expires_at)
             select gen_random_uuid(), $1, $2, gen_random_uuid(), now() + interval '1 day' from generate_series(1, $3::int8)",
            &[&organisation_id, &user_id, &OTHERS],
        );
    }
}

/// First with what PostgreSQL knows of tables that were small, or nothing, and then with all.
fn check(mode: &str, preparation: &str) {
    let first = Stack::start(&[]);
    let sql = first.sql();
    for table in TABLES {
        sql.batch(&format!("alter table {table} set (autovacuum_enabled = off)"));
    }
    let party = Party::beside(&first, mode);
    // The worker goes through what is sent too.
    for stack in [&first, &party.stack] {
        let stopped = command(stack.folder().path()).args(["stop", "worker"]).status();
        assert!(stopped.unwrap().success());
    }
    party.send_several(2);
    sql.batch(preparation);
    // From here on a connection keeps the plans that it has.
    party.send_several(12);
    party.classify_several(12);
    party.grow(&sql);
    // Plans are kept for half a minute; and by then all has been counted.
    sleep(PLANS_KEPT.max(TOLD_AFTER));
    party.check_requests(&sql, "early");
    sql.batch("analyze");
    party.send_several(6);
    sql.end_connections();
    party.check_requests(&sql, "right");
}

#[test]
fn plans_for_each_call_are_right_before_tables_were_looked_at() {
    check(CUSTOM, "select 1");
}

#[test]
fn plans_for_all_calls_are_right_before_tables_were_looked_at() {
    check(GENERIC, "select 1");
}

#[test]
fn plans_for_each_call_are_right_when_tables_have_grown_since_they_were_looked_at() {
    check(CUSTOM, "analyze");
}

#[test]
fn plans_for_all_calls_are_right_when_tables_have_grown_since_they_were_looked_at() {
    check(GENERIC, "analyze");
}
