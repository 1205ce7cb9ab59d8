//! Thousands of damaged and crafted changes: none may panic, none may harm the document.

use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId, OpType, SortedVec};
use automerge::transaction::Transactable;
use automerge::{ActorId, Change, ChangeHash, ExpandedChange, ObjType, ROOT, ScalarValue};
use firemode_domain::document::{ChangeFault, Entry, Limits, Provenance, RecordedChange, SessionDocument};
use sha2::{Digest, Sha256};

use crate::support::*;

/// A session to which a client has added text, a list, a counter and a deletion.
fn rich_session() -> (SessionDocument, Vec<Change>) {
    let mut session = session();
    let mut client = Client::of(&session, 50);
    let item = client.item("a");
    let first = client.edit(|edit| {
        let text = edit.put_object(&item, "notes", ObjType::Text)?;
        edit.splice_text(&text, 0, 0, "some text")?;
        let list = edit.put_object(&item, "list", ObjType::List)?;
        edit.insert(&list, 0, "first")?;
        edit.insert(&list, 1, 2)?;
        edit.put(&item, "count", ScalarValue::counter(3))?;
        edit.put(ROOT, "bytes", vec![1_u8, 2, 3])
    });
    let second = client.edit(|edit| {
        edit.delete(&item, "label")?;
        edit.increment(&item, "count", 4)?;
        edit.put(&item, "outcome", "pass")?;
        edit.put(ROOT, "long", "long ".repeat(100))
    });
    let changes = vec![first, second];
    send(&mut session, changes.iter().map(bytes).collect(), None, user(1)).unwrap();
    (session, changes)
}

/// Writes the checksum that the bytes of a plain change should have.
fn with_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.len() > 9 && bytes[8] == 1 {
        let hash = Sha256::digest(&bytes[8..]);
        bytes[4..8].copy_from_slice(&hash[..4]);
    }
    bytes
}

fn mutated(random: &mut Random, bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len());
        match random.below(6) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.next() as u8,
            2 => bytes[at] = *random.pick(&[0, 1, 0x3f, 0x40, 0x7e, 0x7f, 0x80, 0xff]),
            3 => bytes.insert(at, random.next() as u8),
            4 if bytes.len() > 12 => drop(bytes.remove(at)),
            _ => bytes[at] = bytes[at].wrapping_add(1),
        }
    }
    bytes
}

#[test]
fn damaged_bytes_never_panic_and_never_harm_the_document() {
    let (mut session, changes) = rich_session();
    let fresh = Client::of(&session, 51).put("b", "outcome", "fail");
    let mut compressed = changes[1].clone();
    let sources = [
        changes[0].raw_bytes().to_vec(),
        changes[1].raw_bytes().to_vec(),
        compressed.bytes().to_vec(),
        fresh.raw_bytes().to_vec(),
    ];
    let before = state(&session);
    let mut random = Random(1);
    for _ in 0..6_000 {
        let source = random.pick(&sources).clone();
        let mut damaged = mutated(&mut random, &source);
        if random.below(4) > 0 {
            damaged = with_checksum(damaged);
        }
        if random.below(10) == 0 {
            damaged.truncate(random.below(damaged.len()));
        }
        // What is accepted must be harmless, which the other tests assert; here it is dropped.
        let _ = prepare(&mut session, vec![Entry::Change(damaged)], None, user(1));
    }
    assert_eq!(state(&session), before);
    assert!(session.is_sound_save(&session.save()));
}

/// Everything that a crafted operation may name, whether it makes sense or not.
struct Pool {
    actors: Vec<ActorId>,
    ids: Vec<OpId>,
    deps: Vec<ChangeHash>,
    real: Vec<Op>,
    highest: u64,
    /// From here on `deps` are the heads.
    heads_from: usize,
    next_seq: [u64; 3],
}

impl Pool {
    fn of(session: &SessionDocument, changes: &[Change]) -> Self {
        let creation = Change::from_bytes(creation().bytes).unwrap();
        let all: Vec<&Change> = changes.iter().chain([&creation]).collect();
        let ids_of = |change: &&Change| {
            let actor = change.actor_id().clone();
            (change.start_op().get()..=change.max_op()).map(move |counter| OpId(counter, actor.clone()))
        };
        let mut ids: Vec<_> = all.iter().flat_map(ids_of).collect();
        ids.push(OpId(900, actor(50)));
        ids.push(OpId(3, actor(99)));
        let mut deps: Vec<_> = all.iter().map(|change| change.hash()).collect();
        let heads_from = deps.len();
        deps.extend(session.heads().iter().map(|head| head.parse::<ChangeHash>().unwrap()));
        let actors = vec![actor(50), actor(60), actor(61)];
        let next_seq = [0, 1, 2].map(|number: usize| {
            1 + changes.iter().filter(|change| *change.actor_id() == actors[number]).count() as u64
        });
        Self {
            actors,
            ids,
            deps,
            real: changes.iter().flat_map(|change| change.decode().operations).collect(),
            highest: changes.iter().map(Change::max_op).max().unwrap(),
            heads_from,
            next_seq,
        }
    }

    fn id(&self, random: &mut Random, own: &[OpId]) -> OpId {
        if !own.is_empty() && random.below(3) == 0 {
            random.pick(own).clone()
        } else {
            random.pick(&self.ids).clone()
        }
    }

    /// An operation that repeats the place of a real one, with some of it altered.
    fn operation(&self, random: &mut Random, own: &[OpId]) -> Op {
        let mut operation = random.pick(&self.real).clone();
        if random.below(3) == 0 {
            operation.action = self.action(random);
        }
        if random.below(6) == 0 {
            operation.obj = match random.below(8) {
                0 => ObjectId::Root,
                _ => ObjectId::Id(self.id(random, own)),
            };
        }
        if random.below(4) == 0 {
            operation.key = match random.below(3) {
                0 => Key::Map((*random.pick(&["outcome", "label", "list", "notes", "new", ""])).into()),
                1 => Key::Seq(ElementId::Head),
                _ => Key::Seq(ElementId::Id(self.id(random, own))),
            };
        }
        if random.below(3) == 0 {
            let count = random.below(3);
            operation.pred = SortedVec::from((0..count).map(|_| self.id(random, own)).collect::<Vec<_>>());
        }
        if random.below(8) == 0 {
            operation.insert = !operation.insert;
        }
        operation
    }

    fn action(&self, random: &mut Random) -> OpType {
        match random.below(14) {
            0 => OpType::Make(ObjType::Map),
            1 => OpType::Make(ObjType::List),
            2 => OpType::Make(ObjType::Text),
            3 => OpType::Make(ObjType::Table),
            4 | 5 => OpType::Delete,
            6 => OpType::Increment(5),
            7 => OpType::Increment(i64::MAX),
            8 => OpType::Put(ScalarValue::counter(7)),
            9 => OpType::Put(ScalarValue::Null),
            10 => OpType::Put(ScalarValue::Bytes(vec![1])),
            11 => OpType::MarkEnd(true),
            12 => OpType::Put(ScalarValue::Unknown { type_code: 12, bytes: vec![1, 2] }),
            _ => OpType::Put(ScalarValue::Str("crafted".into())),
        }
    }

    fn change(&self, random: &mut Random) -> Change {
        let writer = random.below(3);
        let actor_id = self.actors[writer].clone();
        let highest = self.highest;
        let start_op = match random.below(10) {
            0 => random.below(60) as u64 + 1,
            1 => highest,
            2 => highest + 5,
            3 => u64::from(u32::MAX) - 2,
            _ => highest + 1,
        };
        let mut own = Vec::new();
        let mut operations = Vec::new();
        for position in 0..random.below(5) as u64 {
            operations.push(self.operation(random, &own));
            own.push(OpId(start_op + position, actor_id.clone()));
        }
        let mut deps = self.deps[self.heads_from..].to_vec();
        if random.below(5) == 0 {
            deps = (0..random.below(3)).map(|_| *random.pick(&self.deps)).collect();
        }
        Change::from(ExpandedChange {
            operations,
            seq: self.next_seq[writer] + random.below(12) as u64 / 11,
            actor_id,
            hash: None,
            start_op: start_op.try_into().unwrap(),
            time: 0,
            message: None,
            deps,
            extra_bytes: if random.below(10) == 0 { vec![1, 2, 3, 4] } else { Vec::new() },
            author: None,
        })
    }
}

fn row(change: &Change) -> RecordedChange {
    RecordedChange {
        hash: change.hash(),
        bytes: change.raw_bytes().to_vec(),
        provenance: Provenance { user_id: user(1), device: None, received_at: NOW },
    }
}

/// How many crafted changes a run tries. More find more: `FIREMODE_CRAFTED_CHANGES=1000000`.
fn crafted_changes() -> u64 {
    std::env::var("FIREMODE_CRAFTED_CHANGES").ok().and_then(|text| text.parse().ok()).unwrap_or(4_000)
}

#[test]
fn crafted_changes_are_refused_or_quarantined_or_harmless() {
    let (mut refused, mut merged, mut set_aside) = (0, 0, 0);
    let mut number = 0;
    while number < crafted_changes() {
        let (mut session, mut changes) = rich_session();
        // Crafted changes build on crafted changes, as far as they are let in.
        while changes.len() < 8 && session.quarantined().is_empty() && number < crafted_changes() {
            number += 1;
            let before = session.change_count();
            let crafted = Pool::of(&session, &changes).change(&mut Random(number));
            // Half of them come as rows that are stored already, so that only the checks stand in between.
            if number.is_multiple_of(2) {
                let limits = if number.is_multiple_of(4) { in_miniature() } else { Limits::default() };
                match prepare_within(&mut session, vec![bytes(&crafted)], None, user(1), &limits) {
                    Ok(prepared) => session.adopt(&prepared, NOW),
                    Err(_) => refused += 1,
                }
            } else {
                session.integrate([row(&crafted)]);
                set_aside += usize::from(session.change_count() == before);
            }
            for kept in session.quarantined() {
                assert_ne!(kept.fault, ChangeFault::NotApplicable, "seed {number}: {:#?}", crafted.decode());
            }
            if session.change_count() > before {
                merged += 1;
                let _ = session.view();
                assert!(session.is_sound_save(&session.save()), "seed {number}: {:#?}", crafted.decode());
                changes.push(crafted);
            }
        }
    }
    assert!(refused > 100 && merged > 100 && set_aside > 100, "{refused} {merged} {set_aside}");
}

#[test]
fn a_run_length_bomb_is_refused_before_it_is_unfolded() {
    let (mut session, _) = rich_session();
    let change = Client::of(&session, 51)
        .edit(|edit| (0..40).try_for_each(|_| edit.put(ROOT, "x", 1).and(edit.delete(ROOT, "x"))));
    let bytes = change.raw_bytes();
    // A run of 2^62 wherever a run length may stand.
    let run = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0xc0, 0x00];
    for at in 9..bytes.len() {
        let mut bomb = bytes.to_vec();
        bomb.splice(at..=at, run);
        for column_bytes in 9..at {
            // Somewhere before it stands the length of its column.
            let mut bomb = bomb.clone();
            bomb[column_bytes] = bomb[column_bytes].wrapping_add(run.len() as u8 - 1);
            bomb[9] = bomb[9].wrapping_add(run.len() as u8 - 1);
            let _ = prepare(&mut session, vec![Entry::Change(with_checksum(bomb))], None, user(1));
        }
    }
    assert!(session.is_sound_save(&session.save()));
}

#[test]
fn a_time_that_differences_cannot_express_is_refused() {
    let (mut session, _) = rich_session();
    let honest = Client::of(&session, 51).put("a", "outcome", "fail");
    for time in [i64::MIN, i64::MAX, -(1 << 54)] {
        let mut crafted = Client::of(&session, 52).put("a", "notes", "from nowhere").decode();
        crafted.time = time;
        let refusal = send(&mut session, vec![bytes(&Change::from(crafted))], None, user(1)).unwrap_err();
        assert!(refusal.to_string().contains("time"), "{refusal}");
    }
    send(&mut session, vec![bytes(&honest)], None, user(2)).unwrap();
    assert_eq!(outcome(&session, "a"), "fail");
}

#[test]
fn a_compression_bomb_is_refused_before_it_is_inflated() {
    let (mut session, _) = rich_session();
    let mut change = Client::of(&session, 51).edit(|edit| edit.put(ROOT, "x", "a".repeat(3 << 20)));
    let compressed = change.bytes().to_vec();
    assert!(compressed.len() < 10_000);
    let refusal = prepare(&mut session, vec![Entry::Change(compressed)], None, user(1)).unwrap_err();
    assert!(refusal.to_string().contains("inflated"), "{refusal}");
}

#[test]
fn repeated_keys_are_counted_as_often_as_they_are_written() {
    let (mut session, _) = rich_session();
    let key = "k".repeat(10_000);
    let change = Client::of(&session, 51).edit(|edit| {
        (0..3_000)
            .try_for_each(|number| edit.put(ROOT, key.as_str(), number).and(edit.delete(ROOT, key.as_str())))
    });
    assert!(change.raw_bytes().len() < 100_000);
    let refusal = prepare(&mut session, vec![bytes(&change)], None, user(1)).unwrap_err();
    assert!(refusal.to_string().contains("keys and values"), "{refusal}");
}
