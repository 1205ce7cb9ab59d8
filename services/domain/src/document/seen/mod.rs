//! What a session says of its items, and when that was known: which of them somebody wrote to fail, and what each stands at.
//!
//! Every write counts, whether or not a later one replaced it, and nothing depends on the order in which changes arrived here.

mod items;
mod timeline;

use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value};
use time::OffsetDateTime;

use self::items::{TouchedItem, touched_items};
pub use self::timeline::Moment;
use self::timeline::{Extent, Timeline};
use super::history::NodeId;
use super::ids::ChangeHash;
use super::pointer::Pointer;
use super::session::SessionDocument;
use super::value::{Outcome, is_failure, is_outcome};
use super::view::{Conflict, ReaderAtClocks};
use crate::defect::Known;
use crate::session::LateState;

const ITEMS: &str = super::pointer::ITEMS;
const OUTCOME: &str = "outcome";

/// A change that came after its session was completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LateChange {
    /// What became of it.
    pub state: LateState,
    /// When that was decided.
    pub decided_at: Option<OffsetDateTime>,
}

/// When the work of a session can have been done, and what of it came late.
#[derive(Debug, Clone, PartialEq)]
pub struct Timeliness {
    /// When the session was made.
    pub created_at: OffsetDateTime,
    /// The changes that came late, by their hashes.
    pub late: HashMap<ChangeHash, LateChange>,
}

/// What a session says of an item.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenItem {
    /// The item.
    pub item_id: String,
    /// Where somebody wrote that it fails: what was known of that, the first first.
    pub fails: Vec<Known<SeenFail>>,
    /// What it stood at while it was there, the first first.
    pub states: Vec<Known<SeenState>>,
}

/// What an item stands at.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenState {
    /// Its outcome. What is in dispute, or is no outcome at all, fails.
    pub outcome: Outcome,
    /// When that was written; none: nobody has said anything.
    pub observed_at: Option<OffsetDateTime>,
    /// The asset, as the item names it.
    pub asset_id: Option<String>,
    /// Code of the item.
    pub item_code: Option<String>,
}

/// An item that passes.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenPass {
    /// When that was written.
    pub observed_at: OffsetDateTime,
    /// The asset, as the item names it.
    pub asset_id: Option<String>,
}

/// An item of which somebody wrote that it fails.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenFail {
    /// When that was first written.
    pub first: Moment,
    /// When it was last written.
    pub last_observed_at: OffsetDateTime,
    /// The change that says otherwise and had seen it.
    pub superseded_by: Option<ChangeHash>,
    /// What became of it where all of it came late.
    pub late: Option<LateState>,
    /// Are there several outcomes, about which nobody has decided?
    pub in_conflict: bool,
    /// The outcome as it was written.
    pub outcome: Value,
    /// The item; where something says otherwise by now, as it was when it failed.
    pub item: Map<String, Value>,
}

impl SessionDocument {
    /// What the session says of its items. The document has all changes of the session, those that came late too, whatever became of
    /// them. May take long.
    #[must_use]
    pub fn seen_items(&self, timeliness: &Timeliness) -> Vec<SeenItem> {
        let timeline = Timeline::of(&self.history, timeliness);
        let mut reader = ReaderAtClocks::of(&self.history);
        let items = touched_items(&self.history).into_iter();
        let seen = items.map(|item| Watch { timeline: &timeline, item, reader: &mut reader }.seen());
        seen.filter(|item| !(item.fails.is_empty() && item.states.is_empty())).collect()
    }
}

impl SeenItem {
    /// Where it passes: what was known of that, the first first.
    #[must_use]
    pub fn passes(&self) -> Vec<Known<SeenPass>> {
        let mut passes = Vec::<Known<SeenPass>>::new();
        for state in self.states.iter().filter(|state| state.what.outcome == Outcome::Pass) {
            let Some(observed_at) = state.what.observed_at else { continue };
            let pass = SeenPass { observed_at, asset_id: state.what.asset_id.clone() };
            match passes.last_mut() {
                Some(last) if last.to == Some(state.from) && last.what == pass => last.to = state.to,
                _ => passes.push(Known { from: state.from, to: state.to, what: pass }),
            }
        }
        passes
    }
}

/// Watches one item.
struct Watch<'w, 'a> {
    timeline: &'w Timeline<'a>,
    item: TouchedItem,
    reader: &'w mut ReaderAtClocks<'a>,
}

/// Somebody wrote that an item fails.
struct FailWrite {
    node: NodeId,
    moment: Moment,
    hash: ChangeHash,
    value: Value,
}

impl Watch<'_, '_> {
    fn seen(mut self) -> SeenItem {
        let writes = self.fail_writes();
        let fails = if writes.is_empty() { Vec::new() } else { self.fails(&writes) };
        let states = self.states();
        SeenItem { item_id: self.item.item_id, fails, states }
    }

    /// The failing writes, in the order in which they were made.
    fn fail_writes(&mut self) -> Vec<FailWrite> {
        let path = outcome_path(&self.item.item_id);
        let mut writes = Vec::new();
        for outcome in &self.item.outcomes {
            let clock = self.timeline.clock_of(outcome.node);
            let value = self.reader.written(&clock, &path, outcome.id);
            if is_failure(&value) {
                let (moment, hash) =
                    (self.timeline.moment_of(outcome.node), self.timeline.hash_of(outcome.node));
                writes.push(FailWrite { node: outcome.node, moment, hash, value });
            }
        }
        writes.sort_by_key(|write| (write.moment.observed_at, write.hash));
        writes
    }

    fn fails(&mut self, writes: &[FailWrite]) -> Vec<Known<SeenFail>> {
        let mut versions = Vec::<Known<SeenFail>>::new();
        for at in self.moments() {
            let before = versions.last().map(|version| &version.what);
            if let Some(fail) = self.fail_at(at, writes, before) {
                follow(&mut versions, at, Some(fail));
            }
        }
        versions
    }

    /// When something became known of the item.
    fn moments(&self) -> BTreeSet<OffsetDateTime> {
        self.item.nodes.iter().flat_map(|node| self.timeline.moments_of(*node)).collect()
    }

    fn fail_at(
        &mut self,
        at: OffsetDateTime,
        writes: &[FailWrite],
        before: Option<&SeenFail>,
    ) -> Option<SeenFail> {
        let known_in = |extent| -> Vec<&FailWrite> {
            writes.iter().filter(|write| self.timeline.is_known(write.node, extent, at)).collect()
        };
        let on_record = known_in(Extent::Record);
        let (extent, known) = match on_record.is_empty() {
            false => (Extent::Record, on_record),
            true => (Extent::WithLate, known_in(Extent::WithLate)),
        };
        let (first, last) = (*known.first()?, *known.last()?);
        let clock = self.timeline.clock_at(extent, at);
        let shown = self.reader.shown(&clock, &[ITEMS, &self.item.item_id]);
        let (item, conflicts) = shown.unwrap_or_default();
        let is_failing = fails(&self.item.item_id, &item, &conflicts);
        let (superseded_by, item, outcome) = match (is_failing, before) {
            (true, _) => {
                let outcome = if item_fails(&item) { "fail".into() } else { last.value.clone() };
                (None, item, outcome)
            }
            // What is written after it passes is no more about the fault.
            (false, Some(before)) => {
                (self.decided_by(extent, at), Value::Object(before.item.clone()), before.outcome.clone())
            }
            (false, None) => {
                let clock = self.timeline.clock_of(last.node);
                let item = self.reader.shown(&clock, &[ITEMS, &self.item.item_id]);
                let item = item.map(|(item, _)| item).unwrap_or_default();
                (self.decided_by(extent, at), item, last.value.clone())
            }
        };
        Some(SeenFail {
            first: first.moment,
            last_observed_at: known.iter().map(|write| write.moment.observed_at).max().unwrap_or(at),
            superseded_by,
            late: self.timeline.lateness(known.iter().map(|write| write.node), extent, at),
            in_conflict: is_failing && is_in_conflict(&self.item.item_id, &conflicts),
            outcome,
            item: match item {
                Value::Object(item) => item,
                _ => Map::new(),
            },
        })
    }

    /// The change that says last what the outcome is.
    fn decided_by(&self, extent: Extent, at: OffsetDateTime) -> Option<ChangeHash> {
        let known = self.item.deciding.iter().filter(|write| self.timeline.is_known(write.node, extent, at));
        let last = known.max_by(|one, other| self.timeline.compare(one.id, other.id));
        last.map(|write| self.timeline.hash_of(write.node))
    }

    fn states(&mut self) -> Vec<Known<SeenState>> {
        let deciding = self.item.deciding.iter().chain(&self.item.outcomes).map(|write| write.node);
        let nodes = deciding.chain(self.item.naming.iter().copied());
        let moments: BTreeSet<_> = nodes.filter_map(|node| self.timeline.recorded_at(node)).collect();
        let mut versions = Vec::new();
        for at in moments {
            let state = self.state_at(at);
            follow(&mut versions, at, state);
        }
        versions
    }

    /// None where the item is not there.
    fn state_at(&mut self, at: OffsetDateTime) -> Option<SeenState> {
        let clock = self.timeline.clock_at(Extent::Record, at);
        let item_id = self.item.item_id.as_str();
        let outcome = match self.reader.shown(&clock, &[ITEMS, item_id, OUTCOME]) {
            Some((_, conflicts)) if conflicts.iter().any(has_odd_value) => Outcome::Fail,
            Some((outcome, _)) => {
                outcome.as_str().and_then(|word| word.parse().ok()).unwrap_or(Outcome::NotTested)
            }
            None => self.reader.shown(&clock, &[ITEMS, item_id]).map(|_| Outcome::NotTested)?,
        };
        let known = self.item.outcomes.iter();
        let known = known.filter(|write| self.timeline.is_known(write.node, Extent::Record, at));
        let last = known.max_by(|one, other| self.timeline.compare(one.id, other.id));
        let mut text = |field: &str| {
            let shown = self.reader.shown(&clock, &[ITEMS, item_id, field]);
            shown.and_then(|(text, _)| text.as_str().map(str::to_owned))
        };
        let (asset_id, item_code) = (text("asset_id"), text("item_code"));
        let observed_at = last.map(|write| self.timeline.moment_of(write.node).observed_at);
        Some(SeenState { outcome, observed_at, asset_id, item_code })
    }
}

/// Adds what is known from a moment on, where it is anything new; none: nothing.
fn follow<T: PartialEq>(versions: &mut Vec<Known<T>>, at: OffsetDateTime, what: Option<T>) {
    let last = versions.last_mut().filter(|last| last.to.is_none());
    match (last, what) {
        (Some(last), Some(what)) if last.what == what => {}
        (last, what) => {
            if let Some(last) = last {
                last.to = Some(at);
            }
            versions.extend(what.map(|what| Known { from: at, to: None, what }));
        }
    }
}

fn outcome_path(item_id: &str) -> Pointer {
    [ITEMS, item_id, OUTCOME].map(str::to_owned).into_iter().collect()
}

fn item_fails(item: &Value) -> bool {
    item.get(OUTCOME).and_then(Value::as_str) == Some("fail")
}

/// Does an item count as failed, as it is shown?
fn fails(item_id: &str, item: &Value, conflicts: &[Conflict]) -> bool {
    let path = outcome_path(item_id).to_string();
    item_fails(item) || conflicts.iter().any(|conflict| conflict.path == path && has_odd_value(conflict))
}

fn has_odd_value(conflict: &Conflict) -> bool {
    conflict.values.iter().filter_map(|sent| sent.value.as_ref()).any(|value| !is_outcome(value))
}

/// Is it not settled whether the item fails?
fn is_in_conflict(item_id: &str, conflicts: &[Conflict]) -> bool {
    let outcome = outcome_path(item_id).to_string();
    let item = Pointer::items().child(item_id).to_string();
    conflicts
        .iter()
        .any(|conflict| conflict.needs_review && (conflict.path == outcome || conflict.path == item))
}
