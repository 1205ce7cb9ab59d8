//! What was adopted and not stored is taken back.

use firemode_domain::document::{Entry, Prepared, SessionDocument};

use crate::support::*;

fn with_id(entry: Entry, op_id: &str) -> Entry {
    let mut operation = operation(entry);
    operation.op_id = Some(op_id.to_owned());
    Entry::Operation(operation)
}

/// Requests of two devices, one of which is concurrent with the other, and of a client.
fn batch(session: &mut SessionDocument) -> Vec<Prepared> {
    let old = session.vector_clock();
    let first = with_id(set("/items/a/outcome", "pass", "phone"), "first");
    let second = with_id(set("/items/a/outcome", "fail", "tablet"), "second");
    vec![
        send(session, vec![first], None, user(1)).unwrap(),
        send(session, vec![second, set("/new", 1, "tablet")], Some(&old), user(2)).unwrap(),
        send(session, vec![entry("delete", "/items/a/outcome", ().into(), "phone")], None, user(1)).unwrap(),
    ]
}

#[test]
fn a_batch_that_was_not_stored_leaves_no_trace() {
    for is_read_before in [false, true] {
        for is_read_between in [false, true] {
            let mut session = session();
            send(&mut session, vec![set("/items/b/outcome", "pass", "watch")], None, user(3)).unwrap();
            if is_read_before {
                let _ = session.view();
            }
            let mark = session.mark();
            let size = session.memory_bytes_estimate();
            let before = (session.heads(), session.vector_clock(), session.change_count());
            let prepared = batch(&mut session);
            if is_read_between {
                assert_eq!(session.view().document["new"], 1);
            }
            assert!(session.roll_back(&mark));
            assert_eq!((session.heads(), session.vector_clock(), session.change_count()), before);
            assert!(session.memory_bytes_estimate() <= size);
            assert!(!session.knows_operation(user(1), "phone", "first"));
            assert_eq!(session.view().document.get("new"), None);
            assert_eq!(batch(&mut session), prepared, "the same is written again");
            assert_eq!(session.view().document["new"], 1);
        }
    }
}

#[test]
fn a_mark_holds_within_a_mark() {
    let mut session = session();
    let outer = session.mark();
    send(&mut session, vec![set("/one", 1, "phone")], None, user(1)).unwrap();
    let inner = session.mark();
    send(&mut session, vec![set("/two", 2, "phone")], None, user(1)).unwrap();
    assert!(session.roll_back(&inner));
    let document = session.view().document;
    assert_eq!((document.get("one").is_some(), document.get("two").is_some()), (true, false));
    assert!(session.roll_back(&outer));
    assert_eq!(session.view().document.get("one"), None);
    assert!(!session.roll_back(&inner), "there is no way forwards");
}

#[test]
fn what_waits_cannot_be_taken_back() {
    let mut session = session();
    let mut client = Client::of(&session, 50);
    let first = client.put("a", "outcome", "fail");
    let second = client.put("a", "outcome", "pass");
    let mark = session.mark();
    send(&mut session, vec![bytes(&second)], None, user(1)).unwrap();
    assert!(!session.roll_back(&mark), "a held change came");
    let mark = session.mark();
    send(&mut session, vec![bytes(&first)], None, user(1)).unwrap();
    assert!(!session.roll_back(&mark), "a held change was merged");
    assert_eq!(outcome(&session, "a"), "pass");
}
