//! Transactions that somebody leaves open, in this database or in another one of the cluster.

use serde_json::{Value, json};

use crate::support::site::{open_session, operation};
use crate::support::{Device, Site, Sql, Stack, eventually};

/// So many transactions after it, one that is still open is looked for by itself.
const FAR: usize = 80;

fn set(site: &Site, value: usize) -> Value {
    let path = format!("{}/notes", site.items[0]);
    json!({"changes": [operation("tablet", "set", &path, json!(value.to_string()))]})
}

/// Transactions that put distance between ids.
fn pass(sql: &Sql, transactions: usize) {
    (0..transactions).for_each(|_| sql.batch("select pg_current_xact_id()"));
}

#[test]
fn a_strangers_open_transaction_costs_no_reader_what_came_since() {
    const REQUESTS: usize = 150;
    let stack = Stack::start(&[]);
    let site = Site::on(&stack);
    let (sql, stranger) = (stack.sql(), stack.sql());
    site.send(&set(&site, 0)).expect(200);
    stranger.batch("begin; select pg_current_xact_id()");
    pass(&sql, FAR);
    sql.end_connections();
    let before = sql.rows_read(&["session_changes"])["session_changes"];
    for n in 1..=REQUESTS {
        site.send(&set(&site, n)).expect(200);
        if n % 3 == 0 {
            assert_eq!(site.item(&site.items[0])["notes"], n.to_string(), "the API process reads it too");
        }
    }
    sql.end_connections();
    let read = sql.rows_read(&["session_changes"])["session_changes"] - before;
    assert!(read < 12 * REQUESTS as i64, "{read} rows were read for {REQUESTS} requests");
    let age = eventually("its age is reported", || {
        let metrics = String::from_utf8(site.admin.get("/metrics").expect(200).body).unwrap();
        let line =
            metrics.lines().find(|line| line.starts_with("firemode_database_oldest_transaction_seconds"))?;
        let age: f64 = line.rsplit(' ').next()?.parse().ok()?;
        (age > 0.0).then_some(age)
    });
    assert!(age < 120.0);
}

/// Rows of a transaction that commits long after others that began later.
#[test]
fn whatever_commits_late_is_read_by_everybody() {
    let stack = Stack::start(&[]);
    let site = Site::on(&stack);
    let sql = stack.sql();
    let follow =
        |since: &str| site.admin.get(&format!("/v1/tests/sessions/changes?since={since}")).expect(200);
    // What a device made, stored by somebody who does not commit yet.
    let mut device = Device::of(&site);
    let change = device.set(&site.items[1], "notes", "late to commit");
    let slow = stack.sql();
    open_session(&site.admin, &site.building_id);
    slow.batch("begin");
    slow.rows(
        "insert into session_changes (session_id, organisation_id, user_id, instance_id, hash, actor, seq, start_op, deps, bytes)
         select $1::text::uuid, organisation_id, created_by, gen_random_uuid(), decode($2, 'hex'), decode($3, 'hex'), 1,
                (select max(start_op) + 1 from session_changes where session_id = $1::text::uuid),
                array (select hash from session_changes where session_id = $1::text::uuid), $4
         from test_sessions where id = $1::text::uuid",
        &[&site.session_id, &device.heads()[0], &device.actor(), &change],
    );
    let mut since = follow("now").text("/since");
    for round in 0..3 {
        site.send(&set(&site, round)).expect(200);
        assert_eq!(site.item(&site.items[0])["notes"], round.to_string());
        assert!(site.item(&site.items[1])["notes"].is_null());
        assert_eq!(site.admin.get("/v1/tests/sessions").expect(200).data().len(), 2);
        let page = follow(&since);
        assert_eq!(page.data().len(), 1, "the session that was written to");
        since = page.text("/since");
        pass(&sql, FAR);
    }
    slow.batch("commit");
    assert_eq!(site.item(&site.items[1])["notes"], "late to commit");
    let answer = site.send(&set(&site, 9)).expect(200);
    assert_eq!(answer["vector_clock"][device.actor()], 1, "the ingest process has it too");
    let page = follow(&since);
    assert_eq!(page.data().len(), 1);
    assert_eq!(page.data()[0]["id"], site.session_id);
    assert_eq!(follow(&page.text("/since")).data().len(), 0);
}
