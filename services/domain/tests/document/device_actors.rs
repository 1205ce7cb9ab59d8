//! The actors that the server writes with: one for each device, whichever process writes, and no number of one given out twice.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use automerge::ActorId;
use firemode_domain::document::{
    Limits, Prepared, RecordedChange, Refusal, SessionDocument, VectorClock, WriterContext,
};
use proptest::prelude::*;

use crate::support::*;

const INSTANCES: usize = 3;
const DEVICES: [&str; 3] = ["phone", "tablet", "watch"];

/// How a commit ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Commit {
    Done,
    /// It failed, and the process knows.
    Refused,
    /// The process gets no answer, and drops its document; whether it is done is for the database to know.
    Unknown {
        is_done: bool,
    },
    /// It is still under way when others go on: it ends after so many steps, if it can.
    Late {
        steps: usize,
    },
}

#[derive(Debug, Clone)]
enum Step {
    /// An instance writes for a device, having read the record again or as far as it did before.
    Write { instance: usize, device: usize, reads: bool, has_seen: prop::sample::Index, commit: Commit },
    /// An instance ends and begins again.
    Kill { instance: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let commit = prop_oneof![
        6 => Just(Commit::Done),
        1 => Just(Commit::Refused),
        1 => any::<bool>().prop_map(|is_done| Commit::Unknown { is_done }),
        1 => (1..5_usize).prop_map(|steps| Commit::Late { steps }),
    ];
    let write = (0..INSTANCES, 0..DEVICES.len(), any::<bool>(), any::<prop::sample::Index>(), commit)
        .prop_map(|(instance, device, reads, has_seen, commit)| Step::Write {
            instance,
            device,
            reads,
            has_seen,
            commit,
        });
    prop_oneof![6 => write, 1 => (0..INSTANCES).prop_map(|instance| Step::Kill { instance })]
}

/// The record, as a database keeps it, and the processes that write to it.
struct Play {
    rows: Vec<RecordedChange>,
    /// The unique index.
    lines: HashSet<(ActorId, u64)>,
    /// What each process has in memory.
    instances: Vec<Option<SessionDocument>>,
    late: Vec<(usize, Prepared)>,
    clocks: Vec<VectorClock>,
    /// Actors that were made because an insertion was refused.
    made_again: usize,
}

thread_local! {
    static ACTORS: Cell<u64> = const { Cell::new(0) };
}

/// One that nobody has written with, and that sorts behind those before.
fn new_actor(_: &str) -> ActorId {
    let number = ACTORS.get() + 1;
    ACTORS.set(number);
    ActorId::from([[9; 8], number.to_be_bytes()].concat())
}

impl Play {
    fn new() -> Self {
        let first = creation();
        Self {
            lines: HashSet::from([(first.actor.clone(), first.seq)]),
            rows: vec![first.recorded(user(0), NOW)],
            instances: (0..INSTANCES).map(|_| None).collect(),
            late: Vec::new(),
            clocks: vec![session().vector_clock()],
            made_again: 0,
        }
    }

    fn run(&mut self, steps: &[Step]) {
        for step in steps {
            self.end_late_commits();
            match step {
                Step::Kill { instance } => self.instances[*instance] = None,
                Step::Write { instance, device, reads, has_seen, commit } => {
                    let seen = self.clocks[has_seen.index(self.clocks.len())].clone();
                    self.write(*instance, *device, *reads, &seen, *commit);
                }
            }
        }
    }

    fn write(&mut self, instance: usize, device: usize, reads: bool, seen: &VectorClock, commit: Commit) {
        let is_cold = self.instances[instance].is_none();
        let mut document = self.instances[instance].take().unwrap_or_default();
        if reads || is_cold {
            document.integrate(self.rows.clone());
        }
        let known: BTreeSet<String> =
            document.vector_clock().iter().map(|(actor, _)| actor.to_owned()).collect();
        // A device that this instance has answered sends no clock of changes that the instance has not read.
        let seen = Some(seen).filter(|seen| document.vector_clock().dominates(seen));
        let prepared = self.prepare(&mut document, device, seen, &|_| true);
        match commit {
            Commit::Refused => return,
            Commit::Unknown { is_done } => {
                if is_done {
                    self.store(&prepared);
                }
                return;
            }
            Commit::Late { steps } => return self.late.push((steps, prepared)),
            Commit::Done if self.store(&prepared) => document.adopt(&prepared, NOW),
            Commit::Done => {
                // Another process was first: read again, and written by an actor that nobody else knows of.
                document = SessionDocument::empty();
                document.integrate(self.rows.clone());
                let prepared = self
                    .prepare(&mut document, device, seen, &|actor| !known.contains(&actor.to_hex_string()));
                self.made_again += 1;
                assert!(self.store(&prepared), "the second attempt goes through");
                document.adopt(&prepared, NOW);
            }
        }
        self.clocks.push(document.vector_clock());
        self.instances[instance] = Some(document);
    }

    fn prepare(
        &self,
        document: &mut SessionDocument,
        device: usize,
        seen: Option<&VectorClock>,
        may_go_on_with: &dyn Fn(&ActorId) -> bool,
    ) -> Prepared {
        let mut writer = WriterContext { user_id: user(1), new_actor: &mut new_actor, may_go_on_with };
        let entries = vec![set("/items/a/notes", self.rows.len(), DEVICES[device])];
        document.prepare(entries, seen, &mut writer, &Limits::default()).unwrap()
    }

    /// All of it or nothing, as the unique index has it.
    fn store(&mut self, prepared: &Prepared) -> bool {
        let lines: Vec<_> =
            prepared.changes.iter().map(|change| (change.actor.clone(), change.seq)).collect();
        let is_free = lines.iter().all(|line| !self.lines.contains(line));
        if is_free {
            self.lines.extend(lines);
            self.rows.extend(prepared.changes.iter().map(|change| change.recorded(user(1), NOW)));
        }
        is_free
    }

    fn end_late_commits(&mut self) {
        for (steps, prepared) in std::mem::take(&mut self.late) {
            if steps > 0 {
                self.late.push((steps - 1, prepared));
            } else {
                self.store(&prepared);
            }
        }
    }

    /// Everything that is stored is in the document, in the library's too, and the clock has grown with the devices alone.
    fn check(&self) {
        let mut document = SessionDocument::empty();
        document.integrate(self.rows.clone());
        assert_eq!((document.held(), document.quarantined()), (vec![], vec![]));
        assert_eq!(document.change_count(), self.rows.len());
        assert_eq!(plain(&self.rows).get_heads().len(), document.heads().len());
        let mut seqs: BTreeMap<ActorId, BTreeSet<u64>> = BTreeMap::new();
        for (actor, seq) in &self.lines {
            seqs.entry(actor.clone()).or_default().insert(*seq);
        }
        assert!(seqs.values().all(|seqs| seqs.iter().copied().eq(1..=seqs.len() as u64)), "without gaps");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_number_is_given_out_twice_and_nothing_stored_is_lost(steps in prop::collection::vec(step(), 1..40)) {
        let mut play = Play::new();
        play.run(&steps);
        play.check();
    }

    /// As it is while processes take turns for a device: they read what was stored before they write.
    #[test]
    fn a_clock_grows_with_devices_and_not_with_restarts(
        writes in prop::collection::vec((0..INSTANCES, 0..DEVICES.len(), any::<bool>()), 1..60)
    ) {
        let mut play = Play::new();
        for (instance, device, dies) in &writes {
            if *dies {
                play.instances[*instance] = None;
            }
            play.write(*instance, *device, true, &VectorClock::new(), Commit::Done);
        }
        play.check();
        let devices: BTreeSet<usize> = writes.iter().map(|(_, device, _)| *device).collect();
        let mut document = SessionDocument::empty();
        document.integrate(play.rows.clone());
        prop_assert_eq!(document.vector_clock().len(), 1 + devices.len());
        prop_assert_eq!(play.made_again, 0);
    }
}

#[test]
fn a_known_device_goes_on_in_a_session_that_has_room_for_no_more_actors() {
    let full = Limits { document_actors_max: 3, ..Limits::default() };
    let mut session = session();
    let mut write = |device: &str, may_go_on: bool, limits: &Limits| {
        let may_go_on_with = |_: &ActorId| may_go_on;
        let mut writer =
            WriterContext { user_id: user(1), new_actor: &mut new_actor, may_go_on_with: &may_go_on_with };
        let entries = vec![set("/items/a/notes", device, device)];
        let prepared = session.prepare(entries, None, &mut writer, limits)?;
        session.adopt(&prepared, NOW);
        Ok::<_, Refusal>((prepared.changes[0].actor.clone(), prepared.changes[0].seq))
    };
    // As releases did that gave a device a new actor with each start; one more than there is room for, even.
    write("phone", false, &Limits::default()).unwrap();
    write("phone", false, &Limits::default()).unwrap();
    let (newest, _) = write("phone", false, &Limits::default()).unwrap();
    for seq in 2..5 {
        assert_eq!(write("phone", false, &full).unwrap(), (newest.clone(), seq));
    }
    let refusal = write("tablet", false, &full).unwrap_err();
    assert_eq!(refusal, Refusal::DocumentFull { what: "actors", max: 3 });
}

#[test]
fn a_document_says_that_it_is_nearly_full() {
    let limits = Limits { document_actors_max: 5, document_operations_max: 40, ..Limits::default() };
    let mut session = session();
    let mut near = Vec::new();
    for device in ["phone", "tablet", "watch", "reader"] {
        send(&mut session, vec![set("/items/a/notes", device, device)], None, user(1)).unwrap();
        near.push(
            session.near_limits(&limits).iter().map(|near| (near.what, near.count)).collect::<Vec<_>>(),
        );
    }
    // The session's first items are an actor's too.
    assert_eq!(near[..2], [vec![], vec![]]);
    assert_eq!(near[2], [("actors", 4)]);
    assert_eq!(session.near_limits(&Limits::default()), []);
    for value in 0..20 {
        send(&mut session, vec![set("/items/a/notes", value, "phone")], None, user(1)).unwrap();
    }
    let near = session.near_limits(&limits);
    assert_eq!(near.iter().map(|near| near.what).collect::<Vec<_>>(), ["actors", "operations"]);
}

#[test]
fn an_actor_of_which_changes_wait_is_not_gone_on_with() {
    let mut whole = session();
    let mut rows = vec![creation().recorded(user(0), NOW)];
    for value in 0..3 {
        let prepared = send(&mut whole, vec![set("/items/a/notes", value, "phone")], None, user(1)).unwrap();
        rows.extend(prepared.changes.iter().map(|change| change.recorded(user(1), NOW)));
    }
    // The second of its changes is lost.
    rows.remove(2);
    let mut rest = SessionDocument::empty();
    rest.integrate(rows);
    let mut writer = WriterContext { user_id: user(1), new_actor: &mut new_actor, may_go_on_with: &|_| true };
    let actor = rest.actor_of(&mut writer, "phone", &Limits::default());
    assert_ne!(actor, device_actor("phone"));
}
