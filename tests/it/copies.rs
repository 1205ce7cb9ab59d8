//! Copies of documents that leave memory: the next write to the session goes on from one, and the record stays what counts.

use serde_json::{Value, json};

use crate::support::site::{open_session, operation};
use crate::support::wait::eventually;
use crate::support::{Answer, Site, Stack, new_key};

/// So little that hardly any session stays in memory.
const LITTLE_MEMORY: (&str, &str) = ("FIREMODE__INGEST__WARM_BYTES_MAX", "65536");

/// Changes of a session that does not fit into that.
const CHANGES: usize = 300;

/// Two devices take turns, so that each operation is a change of its own.
fn fill(site: &Site) {
    let set = |index: usize| {
        let path = format!("{}/remark {}", site.items[0], index % 50);
        operation(&format!("tablet-{}", index % 2), "set", &path, json!(format!("note {index}")))
    };
    let changes: Vec<Value> = (0..CHANGES).map(set).collect();
    site.send(&json!({"changes": changes})).expect(200);
}

fn note(site: &Site, text: &str) -> Answer {
    let mut operation = operation("tablet-0", "set", &format!("{}/notes", site.items[0]), json!(text));
    operation["op_id"] = json!(text.replace(' ', "-"));
    site.send(&json!({"changes": [operation]})).expect(200)
}

/// How many changes the stored copy has.
fn copied(stack: &Stack, site: &Site) -> Option<i64> {
    let sql = "select change_count::int8 from session_copies where session_id = $1::text::uuid";
    stack.sql().rows(sql, &[&site.session_id]).first().map(|row| row.get(0))
}

fn with_copy() -> (Stack, Site) {
    let stack = Stack::start(&[LITTLE_MEMORY]);
    let site = Site::on(&stack);
    fill(&site);
    eventually("a copy is kept", || copied(&stack, &site).filter(|count| *count > 300));
    (stack, site)
}

/// Another appliance knows only what is stored.
fn assert_all_there(stack: &Stack, site: &Site, notes: &str) {
    let other = stack.beside(&[]);
    let elsewhere = Site { admin: other.client().with_token(site.admin.token()), ..site.clone() };
    for site in [site, &elsewhere] {
        let session = site.read();
        assert_eq!(session["document"]["items"][&site.items[0]]["notes"], notes);
        let seen: u64 = session["vector_clock"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
        assert_eq!(seen, site.stored_changes(stack).unsigned_abs());
        assert_eq!((&session["held"], &session["conflicts"]), (&json!([]), &json!([])));
    }
}

#[test]
fn a_session_that_was_let_go_is_written_to_as_before() {
    let (stack, site) = with_copy();
    let first = note(&site, "first");
    let again = site.send(
        &json!({"changes": [{"op": "set", "path": format!("/items/{}/notes", site.items[0]), "value": "first",
        "actor_id": "tablet-0", "timestamp": "2026-02-13T01:02:03Z", "op_id": "first"}]}),
    );
    assert_eq!(again.expect(200)["duplicates"], 1, "what it has applied it knows");
    let second = note(&site, "second");
    assert_eq!(
        first["vector_clock"].as_object().unwrap().len(),
        second["vector_clock"].as_object().unwrap().len()
    );
    // What another appliance adds meanwhile is read behind the copy.
    let other = stack.beside(&[]);
    let elsewhere = Site { admin: other.client().with_token(site.admin.token()), ..site.clone() };
    note(&elsewhere, "elsewhere");
    note(&site, "here");
    assert_all_there(&stack, &site, "here");
}

#[test]
fn a_copy_that_is_damaged_foreign_or_wrong_is_not_built_on() {
    let (stack, site) = with_copy();
    let sql = stack.sql();
    let spoil = |change: &str| {
        sql.rows(
            &format!("update session_copies set {change} where session_id = $1::text::uuid"),
            &[&site.session_id],
        );
    };
    spoil("bytes = set_byte(bytes, 99, get_byte(bytes, 99) # 1)");
    note(&site, "in spite of damage");
    spoil("lineage = '\\x00'");
    note(&site, "in another history");
    spoil("format = 99");
    note(&site, "of another release");
    spoil("bytes = 'x', digest = sha256('x')");
    note(&site, "of something else");
    assert_all_there(&stack, &site, "of something else");
}

#[test]
fn what_the_record_has_lost_is_not_built_on_because_a_copy_has_it() {
    let (stack, site) = with_copy();
    let sql = stack.sql();
    sql.batch("begin; alter table session_changes disable trigger session_changes_are_the_record");
    sql.rows(
        "delete from session_changes where (session_id, hash) in (
             select session_id, hash from session_changes where session_id = $1::text::uuid
             order by start_op desc limit 1)",
        &[&site.session_id],
    );
    sql.batch("alter table session_changes enable trigger session_changes_are_the_record; commit");
    let rewritten =
        "update session_copies set read_up_to = pg_current_xact_id() where session_id = $1::text::uuid";
    sql.rows(rewritten, &[&site.session_id]);
    note(&site, "after the loss");
    assert_all_there(&stack, &site, "after the loss");
}

#[test]
fn many_sessions_at_once_in_little_memory_lose_nothing() {
    const SESSIONS: usize = 12;
    let (stack, site) = with_copy();
    let sites: Vec<Site> = (0..SESSIONS)
        .map(|_| Site { session_id: open_session(&site.admin, &site.building_id), ..site.clone() })
        .collect();
    std::thread::scope(|scope| {
        for part in sites.chunks(3) {
            scope.spawn(move || {
                part.iter().for_each(fill);
                for round in 0..6 {
                    part.iter().for_each(|site| drop(note(site, &format!("{round} {}", new_key()))));
                }
                part.iter().for_each(|site| drop(note(site, "last")));
            });
        }
    });
    for site in &sites {
        let session = site.read();
        assert_eq!(session["document"]["items"][&site.items[0]]["notes"], "last");
        assert_eq!((&session["held"], &session["conflicts"]), (&json!([]), &json!([])));
    }
    assert!(sites.iter().any(|site| copied(&stack, site).is_some()));
}
