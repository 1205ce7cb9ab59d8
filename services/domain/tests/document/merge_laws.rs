//! The same set of changes is the same document, in any order, duplicated or split.

use automerge::transaction::Transactable;
use automerge::{Automerge, Change, ObjType, ReadDoc, hydrate};
use firemode_domain::document::{RecordedChange, SessionDocument, VectorClock};
use proptest::prelude::*;
use serde_json::json;

use crate::support::{self, *};

const ITEMS: [&str; 3] = ["a", "b", "c"];
const OUTCOMES: [&str; 4] = ["pass", "fail", "not_tested", "not_applicable"];

/// One event in the life of a session.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// A client with its own document edits it.
    Edit { client: usize, item: usize, kind: u8, number: u32 },
    /// A client takes in everything that the server has.
    Synchronise { client: usize },
    /// A device sends an operation, with the clock of an earlier step.
    Operate { device: usize, item: usize, kind: u8, seen: prop::sample::Index },
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3_usize, 0..3_usize, 0..7_u8, 0..4_u32)
            .prop_map(|(client, item, kind, number)| Step::Edit { client, item, kind, number }),
        1 => (0..3_usize).prop_map(|client| Step::Synchronise { client }),
        4 => (0..3_usize, 0..3_usize, 0..6_u8, any::<prop::sample::Index>())
            .prop_map(|(device, item, kind, seen)| Step::Operate { device, item, kind, seen }),
    ]
}

fn edit(client: &mut Client, item: usize, kind: u8, number: u32) -> Option<Change> {
    let item = client.item(ITEMS[item]);
    client.edit_if_different(|edit| {
        let list = edit.get(&item, "list")?.filter(|(value, _)| value.is_object()).map(|(_, list)| list);
        let text = edit.get(&item, "text")?.filter(|(value, _)| value.is_object()).map(|(_, text)| text);
        match (kind, list, text) {
            (0, _, _) => edit.put(&item, "outcome", OUTCOMES[number as usize]),
            (1, Some(list), _) => edit.insert(&list, 0, number),
            (2, Some(list), _) if edit.length(&list) > 0 => edit.delete(&list, 0),
            (3, Some(list), _) if edit.length(&list) > 0 => edit.put(&list, 0, "replaced"),
            (1..=3, _, _) => {
                edit.put_object(&item, "list", ObjType::List).and_then(|list| edit.insert(&list, 0, 9))
            }
            (4, _, Some(text)) => edit.splice_text(&text, 0, 0, "ab"),
            (5, _, Some(text)) if edit.length(&text) > 1 => edit.splice_text(&text, 1, 1, ""),
            (4 | 5, _, _) => {
                let text = edit.put_object(&item, "text", ObjType::Text)?;
                edit.splice_text(&text, 0, 0, "abc")
            }
            _ => {
                edit.put(&item, "temporary", number)?;
                edit.delete(&item, "temporary")?;
                edit.put(&item, "count", automerge::ScalarValue::counter(1))?;
                edit.increment(&item, "count", 2)
            }
        }
    })
}

/// Plays the steps and gives back the server's document and the rows it stored.
pub(crate) fn play(steps: &[Step]) -> (SessionDocument, Vec<RecordedChange>) {
    let mut session = session();
    let mut rows = vec![creation().recorded(user(0), NOW)];
    let mut clocks = vec![VectorClock::new(), session.vector_clock()];
    let mut clients: Vec<_> = (0..3).map(|number| Client::of(&session, 50 + number)).collect();
    for step in steps {
        let (entries, seen, by) = match step {
            Step::Synchronise { client } => {
                let mut server = Automerge::load(&session.save()).unwrap();
                clients[*client].0.merge(&mut server).unwrap();
                continue;
            }
            Step::Edit { client, item, kind, number } => {
                let Some(change) = edit(&mut clients[*client], *item, *kind, *number) else { continue };
                (vec![bytes(&change)], None, user(10 + *client as u128))
            }
            Step::Operate { device, item, kind, seen } => {
                let device = ["phone", "tablet", "watch"][*device];
                let path = |field: &str| format!("/items/{}/{field}", ITEMS[*item]);
                let entry = match kind {
                    0 | 1 => set(&path("outcome"), OUTCOMES[usize::from(*kind)], device),
                    2 => set(&path("measurements"), json!({ "x": [1, 2] }), device),
                    3 => entry("append", &path("list"), json!(device), device),
                    4 => entry("delete", &path("outcome"), json!(null), device),
                    _ => set(&path("text"), "plain", device),
                };
                (vec![entry], Some(seen.get(&clocks).clone()), user(1))
            }
        };
        // An append to what is no list at that point is refused, which is as good.
        if let Ok(prepared) = send(&mut session, entries, seen.as_ref(), by) {
            rows.extend(support::rows(&prepared));
            clocks.push(session.vector_clock());
        }
    }
    (session, rows)
}

fn content(document: &Automerge) -> hydrate::Value {
    document.hydrate(None)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn order_duplication_and_split_do_not_matter(
        steps in prop::collection::vec(step(), 1..30),
        shuffled in any::<u64>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let (session, rows) = play(&steps);
        prop_assert_eq!(session.quarantined().len(), 0);

        let mut other_order = rows.clone();
        let mut random = Random(shuffled);
        random.shuffle(&mut other_order);
        let mut one_by_one = SessionDocument::empty();
        for row in &other_order {
            one_by_one.integrate([row.clone()]);
        }
        prop_assert_eq!(state(&one_by_one), state(&session));

        let (first, second) = other_order.split_at(cut.index(other_order.len()));
        let mut in_two = SessionDocument::empty();
        in_two.integrate(second.iter().chain(second).cloned());
        in_two.integrate(first.iter().chain(second).cloned());
        prop_assert_eq!(state(&in_two), state(&session));
    }

    #[test]
    fn the_document_is_what_automerge_makes_of_the_changes(steps in prop::collection::vec(step(), 1..30)) {
        let (session, rows) = play(&steps);
        let plain = plain(&rows);
        let heads: Vec<_> = plain.get_heads().iter().map(ToString::to_string).collect();
        prop_assert_eq!(session.heads(), heads);
        let saved = session.save();
        prop_assert!(session.is_sound_save(&saved));
        prop_assert_eq!(content(&Automerge::load(&saved).unwrap()), content(&plain));
    }

    #[test]
    fn with_one_change_missing_the_rest_is_held_alike_and_released_by_it(
        steps in prop::collection::vec(step(), 2..30),
        missing in any::<prop::sample::Index>(),
        seed in any::<u64>(),
    ) {
        let (session, mut rows) = play(&steps);
        let missing = rows.remove(missing.index(rows.len()));
        let mut forwards = SessionDocument::empty();
        forwards.integrate(rows.iter().cloned());
        Random(seed).shuffle(&mut rows);
        let mut shuffled = SessionDocument::empty();
        for row in rows {
            shuffled.integrate([row]);
        }
        prop_assert_eq!(state(&shuffled), state(&forwards));
        prop_assert_eq!(shuffled.change_count() + shuffled.held().len(), session.change_count() - 1);
        shuffled.integrate([missing]);
        prop_assert_eq!(state(&shuffled), state(&session));
    }
}
