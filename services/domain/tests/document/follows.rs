//! What follows from changes and acts: the same facts give the same defects, in any order, and what was known at a moment does not depend on
//! what became known later.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use firemode_domain::defect::{
    Act, Deed, DefectClass, DefectStatus, DefectVersion, ItemPass, ItemState, Known, Observation,
    SubjectFacts, Transition, defect_of_observation, fold, observation_id, subject_of,
};
use firemode_domain::document::{
    ChangeHash, Entry, LateChange, RecordedChange, SeenFail, SeenItem, SeenState, SessionDocument, Timeliness,
};
use firemode_domain::input;
use firemode_domain::session::LateState;
use proptest::prelude::*;
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::support::*;

const DEVICES: [&str; 5] = ["phone", "tablet", "watch", "laptop", "kiosk"];
const OUTCOMES: [&str; 4] = ["fail", "pass", "not_tested", "not_applicable"];
const CONDITIONS: [&str; 3] = ["seized", "missing", ""];

/// Which defect a thing has, with all that was ever known of it.
type Defects = BTreeMap<(Uuid, Uuid), Vec<Known<DefectVersion>>>;

/// A write of a device.
#[derive(Debug, Clone)]
struct Write {
    device: usize,
    item: usize,
    kind: u8,
    number: usize,
    /// With the clock of an earlier step.
    seen: usize,
    /// Minutes after the session was made at which it was done, and received.
    done: i64,
    received: i64,
    /// Did it come late, and what became of that?
    late: u8,
}

/// What a person does about a defect.
#[derive(Debug, Clone)]
struct Deal {
    session: usize,
    item: usize,
    kind: u8,
    at: i64,
    recorded: i64,
}

fn write() -> impl Strategy<Value = Write> {
    let what = (0..5_usize, 0..3_usize, 0..9_u8, 0..4_usize, 0..20_usize);
    (what, 0..40_i64, 0..60_i64, 0..12_u8).prop_map(
        |((device, item, kind, number, seen), done, received, late)| Write {
            device,
            item,
            kind,
            number,
            seen,
            done,
            received,
            late,
        },
    )
}

fn deal() -> impl Strategy<Value = Deal> {
    (0..3_usize, 0..3_usize, 0..6_u8, 0..60_i64, 0..60_i64).prop_map(|(session, item, kind, at, recorded)| {
        Deal { session, item, kind, at: at.min(recorded), recorded }
    })
}

fn minute(number: i64) -> OffsetDateTime {
    NOW + Duration::minutes(number)
}

/// A session as it is stored.
#[derive(Debug, Clone)]
struct Stored {
    id: Uuid,
    rows: Vec<RecordedChange>,
    late: HashMap<ChangeHash, LateChange>,
    /// The items of which a device wrote that they fail.
    failed: BTreeSet<String>,
}

fn entry_of(write: &Write) -> Entry {
    let item = ["a", "b", "c"][write.item];
    let path = |field: &str| format!("/items/{item}/{field}");
    let outcome = OUTCOMES[write.number];
    let mut body = match write.kind {
        0..=3 => json!({"op": "set", "path": path("outcome"), "value": outcome}),
        4 | 5 => {
            json!({"op": "set", "path": path("observed_condition"), "value": CONDITIONS[write.number % 3]})
        }
        6 => {
            json!({"op": "set", "path": format!("/items/{item}"), "value": {"outcome": "fail", "observed_condition": "seized"}})
        }
        7 => json!({"op": "delete", "path": format!("/items/{item}")}),
        _ => json!({"op": "set", "path": path("measurements"), "value": {"pressure": write.number}}),
    };
    body["actor_id"] = json!(DEVICES[write.device]);
    body["timestamp"] = json!(minute(write.done).format(&Rfc3339).unwrap());
    input::read(body).unwrap()
}

/// Plays the writes of a session.
fn play(number: usize, writes: &[Write]) -> Stored {
    let mut session = session();
    let mut rows = vec![creation().recorded(user(0), NOW)];
    let mut clocks = vec![session.vector_clock()];
    let (mut late, mut failed) = (HashMap::new(), BTreeSet::new());
    for write in writes {
        let seen = clocks[write.seen.min(clocks.len() - 1)].clone();
        let Ok(prepared) = send(&mut session, vec![entry_of(write)], Some(&seen), user(1)) else { continue };
        clocks.push(session.vector_clock());
        if matches!((write.kind, write.number), (0..=3, 0) | (6, _)) {
            failed.insert(["a", "b", "c"][write.item].to_owned());
        }
        for change in &prepared.changes {
            let received_at = minute(write.received);
            let state = match write.late {
                0 => Some(LateState::Late),
                1 => Some(LateState::Accepted),
                2 => Some(LateState::Rejected),
                _ => None,
            };
            let decided_at = || Some(received_at + Duration::minutes(7));
            let late_change = |state| LateChange {
                state,
                decided_at: if state == LateState::Late { None } else { decided_at() },
            };
            late.extend(state.map(|state| (change.hash, late_change(state))));
            rows.push(change.recorded(prepared.user_id, received_at));
        }
    }
    Stored { id: Uuid::from_u128(number as u128), rows, late, failed }
}

impl Stored {
    /// What of it was known at a moment.
    fn until(&self, at: OffsetDateTime) -> Self {
        let rows = self.rows.iter().filter(|row| row.provenance.received_at <= at).cloned().collect();
        let then = |(hash, late): (&ChangeHash, &LateChange)| {
            let is_decided = late.decided_at.is_some_and(|decided_at| decided_at <= at);
            let late =
                if is_decided { *late } else { LateChange { state: LateState::Late, decided_at: None } };
            (*hash, late)
        };
        Self { id: self.id, rows, late: self.late.iter().map(then).collect(), failed: BTreeSet::new() }
    }

    fn seen(&self, document: &SessionDocument) -> Vec<SeenItem> {
        document.seen_items(&Timeliness { created_at: NOW, late: self.late.clone() })
    }

    fn document(&self) -> SessionDocument {
        let mut document = SessionDocument::empty();
        document.integrate(self.rows.iter().cloned());
        document
    }
}

fn building() -> Uuid {
    Uuid::from_u128(0xb)
}

fn class_of(condition: Option<&str>) -> DefectClass {
    match condition {
        Some("seized") => DefectClass::CriticalDefect,
        Some(_) => DefectClass::NonConformance,
        None => DefectClass::Unclassified,
    }
}

fn state_of(fail: SeenFail) -> ItemState {
    let text = |field: &str| {
        fail.item.get(field).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let condition = text("observed_condition");
    ItemState {
        observed_at: fail.first.observed_at,
        received_at: fail.first.received_at,
        clock_suspect: fail.first.clock_suspect,
        local_date: fail.first.observed_at.date(),
        last_observed_at: fail.last_observed_at,
        superseded_by: fail.superseded_by.map(|hash| hash.to_string()),
        late: fail.late,
        in_conflict: fail.in_conflict,
        outcome: fail.outcome.clone(),
        classification: class_of(condition.as_deref()),
        condition,
        asset_id: None,
        measure_id: None,
        item_code: None,
        label: text("label"),
        location: text("location"),
        section: None,
        notes: None,
        measurements: serde_json::Map::new(),
        evidence: Vec::new(),
        rule: None,
        why_unclassified: None,
    }
}

/// The facts of all things that sessions and acts are about.
fn facts_of(sessions: &[(Uuid, Vec<SeenItem>)], acts: &[(Uuid, Act)]) -> Vec<SubjectFacts> {
    let mut facts = BTreeMap::<Uuid, SubjectFacts>::new();
    for (session_id, items) in sessions {
        for item in items.iter().cloned() {
            let subject_id = subject_of(building(), &item.item_id, None);
            let of = facts.entry(subject_id).or_default();
            of.subject_id = subject_id;
            let pass = |observed_at| ItemPass { session_id: *session_id, observed_at };
            of.passes
                .extend(item.passes().into_iter().map(|known| known.map(|passed| pass(passed.observed_at))));
            if !item.fails.is_empty() {
                of.observations.push(Observation {
                    id: observation_id(*session_id, &item.item_id),
                    session_id: *session_id,
                    item_id: item.item_id,
                    building_id: building(),
                    versions: item.fails.into_iter().map(|known| known.map(state_of)).collect(),
                });
            }
        }
    }
    for (subject_id, act) in acts {
        if let Some(of) = facts.get_mut(subject_id) {
            of.acts.push(act.clone());
        }
    }
    facts.into_values().collect()
}

fn defects_of(facts: &[SubjectFacts]) -> Defects {
    let of_subject = |facts: &SubjectFacts| {
        let subject_id = facts.subject_id;
        fold(facts).into_iter().map(move |(id, versions)| ((subject_id, id), versions))
    };
    facts.iter().flat_map(of_subject).collect()
}

fn follow(sessions: &[Stored], acts: &[(Uuid, Act)]) -> Defects {
    let seen: Vec<_> = sessions.iter().map(|stored| (stored.id, stored.seen(&stored.document()))).collect();
    defects_of(&facts_of(&seen, acts))
}

fn act_of(number: usize, deal: &Deal) -> (Uuid, Act) {
    let item = ["a", "b", "c"][deal.item];
    let subject_id = subject_of(building(), item, None);
    let session_id = Uuid::from_u128(deal.session as u128);
    let step = |to| {
        Deed::Transition(Transition {
            to,
            reason: None,
            scheduled_for: None,
            until: None,
            accepted_by: None,
            evidence: Vec::new(),
        })
    };
    let deed = match deal.kind {
        0 => step(DefectStatus::Acknowledged),
        1 => step(DefectStatus::Repaired),
        2 => step(DefectStatus::Closed),
        3 => step(DefectStatus::Withdrawn),
        4 => Deed::Reclassify { classification: DefectClass::NonConformance, reason: "seen".to_owned() },
        _ => Deed::Observe { note: None, evidence: vec![Uuid::from_u128(7)] },
    };
    let act = Act {
        id: Uuid::from_u128(0xac_0000 + number as u128),
        defect_id: defect_of_observation(subject_id, observation_id(session_id, item)),
        building_id: building(),
        at: minute(deal.at),
        recorded_at: minute(deal.recorded),
        user_id: user(2),
        deed,
    };
    (subject_id, act)
}

fn at(defects: &Defects, moment: OffsetDateTime) -> BTreeMap<(Uuid, Uuid), DefectVersion> {
    let known = |versions: &[Known<DefectVersion>]| {
        versions.iter().find(|version| version.is_known_at(moment)).map(|version| version.what.clone())
    };
    defects.iter().filter_map(|(id, versions)| Some((*id, known(versions)?))).collect()
}

/// What each item stood at, as it was known at a moment.
fn states_at(seen: &[SeenItem], moment: OffsetDateTime) -> BTreeMap<&str, &SeenState> {
    let mut states = BTreeMap::new();
    for item in seen {
        let known = item.states.iter().find(|state| state.is_known_at(moment));
        states.extend(known.map(|state| (item.item_id.as_str(), &state.what)));
    }
    states
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_same_facts_give_the_same_defects_and_the_past_stays_what_it_was(
        writes in prop::collection::vec(prop::collection::vec(write(), 1..14), 1..4),
        deals in prop::collection::vec(deal(), 0..6),
        shuffled in any::<u64>(),
        cut in any::<prop::sample::Index>(),
        then in 0..70_i64,
    ) {
        let sessions: Vec<Stored> =
            writes.iter().enumerate().map(|(number, writes)| play(number, writes)).collect();
        let acts: Vec<(Uuid, Act)> = deals.iter().enumerate().map(|(number, deal)| act_of(number, deal)).collect();
        let defects = follow(&sessions, &acts);

        // Any order, split and duplication.
        let mut random = Random(shuffled);
        let mut seen = Vec::new();
        for stored in &sessions {
            let mut rows = stored.rows.clone();
            random.shuffle(&mut rows);
            let (first, second) = rows.split_at(cut.index(rows.len()));
            let mut document = SessionDocument::empty();
            document.integrate(second.iter().chain(second).cloned());
            let _ = document.view();
            document.integrate(first.iter().chain(second).cloned());
            seen.push((stored.id, stored.seen(&document)));
        }
        let played: Vec<_> = sessions.iter().map(|stored| (stored.id, stored.seen(&stored.document()))).collect();
        prop_assert_eq!(&seen, &played);
        random.shuffle(&mut seen);
        let mut other_acts = acts.clone();
        random.shuffle(&mut other_acts);
        prop_assert_eq!(&defects_of(&facts_of(&seen, &other_acts)), &defects);

        // What was known then is what a follower showed then.
        let moment = minute(then);
        let until: Vec<Stored> = sessions.iter().map(|stored| stored.until(moment)).collect();
        let acts_until: Vec<(Uuid, Act)> =
            acts.iter().filter(|(_, act)| act.recorded_at <= moment).cloned().collect();
        prop_assert_eq!(at(&follow(&until, &acts_until), moment), at(&defects, moment));

        for (until, (_, seen)) in until.iter().zip(&played) {
            let seen_until = until.seen(&until.document());
            prop_assert_eq!(states_at(&seen_until, moment), states_at(seen, moment));
        }

        for ((_, id), versions) in &defects {
            // Versions follow each other without a gap: nothing that was known vanishes.
            for pair in versions.windows(2) {
                prop_assert_eq!(pair[0].to, Some(pair[1].from));
                prop_assert!(pair[0].from < pair[1].from);
                prop_assert_ne!(&pair[0].what, &pair[1].what);
            }
            prop_assert_eq!(versions.last().and_then(|last| last.to), None, "{} vanished", id);
        }
        let open = defects.iter().filter_map(|((subject_id, _), versions)| {
            let last = &versions.last()?.what;
            let condition = last.condition.clone().filter(|_| !last.status.is_end())?;
            (last.superseded_by.is_none() && last.observations > 0 && !last.needs_review)
                .then_some((*subject_id, condition))
        });
        let open: Vec<_> = open.collect();
        prop_assert_eq!(open.iter().collect::<BTreeSet<_>>().len(), open.len(), "two of one condition are open");
    }

    #[test]
    fn each_fail_that_was_ever_written_has_an_observation(writes in prop::collection::vec(write(), 1..20)) {
        let stored = play(0, &writes);
        let observed: BTreeSet<String> = stored
            .seen(&stored.document())
            .into_iter()
            .filter(|item| !item.fails.is_empty())
            .map(|item| item.item_id)
            .collect();
        prop_assert!(stored.failed.is_subset(&observed), "{:?} of {:?}", observed, stored.failed);
    }
}

fn fail(done: i64, received: i64) -> Write {
    Write { device: 0, item: 0, kind: 0, number: 0, seen: usize::MAX, done, received, late: 9 }
}

#[test]
fn a_fail_that_is_taken_back_leaves_an_observation_that_says_so() {
    let pass = Write { number: 1, done: 2, received: 2, ..fail(0, 0) };
    let defects = follow(&[play(0, &[fail(1, 1), pass])], &[]);
    let (_, versions) = defects.first_key_value().unwrap();
    let told: Vec<_> = versions
        .iter()
        .map(|version| (version.what.superseded_by.is_some(), version.what.needs_review))
        .collect();
    // Nobody said which condition it is, so it was to be looked at from the start.
    assert_eq!(told, [(false, true), (true, true)]);
    assert_eq!(defects.len(), 1);
}

#[test]
fn a_condition_that_comes_after_the_outcome_or_is_corrected_makes_no_second_defect() {
    let condition =
        |number: usize, minute: i64| Write { kind: 4, number, done: minute, received: minute, ..fail(0, 0) };
    let defects = follow(&[play(0, &[fail(1, 1), condition(0, 2), condition(1, 3)])], &[]);
    assert_eq!(defects.len(), 1);
    let (_, versions) = defects.first_key_value().unwrap();
    let classes: Vec<_> = versions.iter().map(|version| version.what.classification).collect();
    assert_eq!(
        classes,
        [DefectClass::Unclassified, DefectClass::CriticalDefect, DefectClass::NonConformance]
    );
    // In another session the same technician writes the outcome first too.
    let again = play(1, &[fail(11, 11), condition(1, 12)]);
    let defects = follow(&[play(0, &[fail(1, 1), condition(1, 2)]), again], &[]);
    assert_eq!(defects.len(), 1);
    assert_eq!(defects.values().next().unwrap().last().unwrap().what.observations, 2);
    // And another fault is another defect.
    let other = play(1, &[fail(11, 11), condition(0, 12)]);
    let defects = follow(&[play(0, &[fail(1, 1), condition(1, 2)]), other], &[]);
    assert_eq!(defects.len(), 2);
}

#[test]
fn what_fails_after_it_was_closed_is_another_defect_and_what_failed_before_is_to_be_looked_at() {
    let closed = act_of(0, &Deal { session: 0, item: 0, kind: 2, at: 20, recorded: 20 });
    let first = play(0, &[fail(1, 1)]);
    let after = play(1, &[fail(30, 30)]);
    let defects = follow(&[first.clone(), after], std::slice::from_ref(&closed));
    assert_eq!(defects.len(), 2);
    let before = play(1, &[fail(10, 30)]);
    let defects = follow(&[first, before], &[closed]);
    assert_eq!(defects.len(), 1);
    let last = &defects.values().next().unwrap().last().unwrap().what;
    assert_eq!((last.status, last.needs_review, last.observations), (DefectStatus::Closed, true, 2));
}

#[test]
fn late_work_is_provisional_until_somebody_decides() {
    for (late, provisional, needs_review) in [(0, true, true), (1, false, true), (2, false, true)] {
        let late = Write { late, ..fail(1, 1) };
        let defects = follow(&[play(0, &[late])], &[]);
        let last = &defects.values().next().unwrap().last().unwrap().what;
        assert_eq!((last.provisional, last.needs_review), (provisional, needs_review));
        assert!(defects.values().next().unwrap()[0].what.provisional, "until it is decided on");
    }
}
