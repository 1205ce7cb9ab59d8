//! What follows from what a session says of an item: its class above all.

use firemode_domain::defect::{self, ItemState, Known};
use firemode_domain::document::{Outcome, SeenFail, SeenItem, SeenPass, SeenState};
use serde_json::{Map, Value};
use time::{Date, OffsetDateTime};
use uuid::Uuid;

use super::days::Days;
use super::judge::{Fault, Judged, Register};
use crate::{StorageError, Transaction};

/// The longest text that is kept of what a session says. All of it stays in the session.
const TEXT_CHARS_MAX: usize = 1_000;

/// The most bytes of measurements that are kept of an item.
const MEASUREMENT_BYTES_MAX: usize = 16 << 10;

/// The most pieces of evidence that are kept of an item.
const EVIDENCE_MAX: usize = 1_000;

/// The facts that an item of a session comes to.
pub(super) struct Facts {
    pub(super) item_id: String,
    pub(super) observations: Vec<Known<ItemState>>,
    pub(super) passes: Vec<Known<Pass>>,
    pub(super) states: Vec<Known<State>>,
}

/// What an item stands at.
pub(super) struct State {
    pub(super) outcome: Outcome,
    pub(super) observed_at: Option<OffsetDateTime>,
    /// The day at the building under which it counts.
    pub(super) local_date: Date,
    pub(super) asset_id: Option<Uuid>,
    pub(super) item_code: Option<String>,
    pub(super) section: Option<i16>,
}

/// An item that passes.
pub(super) struct Pass {
    pub(super) observed_at: OffsetDateTime,
    pub(super) asset_id: Option<Uuid>,
}

impl Facts {
    /// The things that they are about. Mostly it is one: an item may come to name another asset.
    pub(super) fn subjects(&self, building_id: Uuid) -> impl Iterator<Item = Uuid> {
        let observed = self.observations.iter().map(|version| version.what.asset_id);
        let passed = self.passes.iter().map(|version| version.what.asset_id);
        observed.chain(passed).map(move |asset_id| self.subject(building_id, asset_id))
    }

    pub(super) fn subject(&self, building_id: Uuid, asset_id: Option<Uuid>) -> Uuid {
        defect::subject_of(building_id, &self.item_id, asset_id)
    }
}

/// What the items of a session come to.
pub(super) async fn facts_of(
    tx: &Transaction,
    organisation_id: Uuid,
    session_id: Uuid,
    seen: Vec<SeenItem>,
    days: &Days,
) -> Result<Vec<Facts>, StorageError> {
    let faults = seen.iter().flat_map(|item| &item.fails).map(|fail| fault_of(&fail.what)).collect();
    let states = seen.iter().flat_map(|item| &item.states);
    let assets = states.filter_map(|state| state.what.asset_id.as_deref().and_then(id)).collect();
    let register = Register::read(tx, organisation_id, session_id, faults, assets).await?;
    let facts = |item: SeenItem| Facts {
        item_id: printable(&item.item_id),
        passes: passes_of(&item),
        states: item
            .states
            .into_iter()
            .map(|version| {
                let known_from = version.from;
                version.map(|state| state_of(state, known_from, &register, days))
            })
            .collect(),
        observations: item
            .fails
            .into_iter()
            .map(|version| version.map(|fail| state(fail, &register)))
            .collect(),
    };
    Ok(seen.into_iter().map(facts).collect())
}

fn passes_of(item: &SeenItem) -> Vec<Known<Pass>> {
    let pass = |pass: SeenPass| Pass {
        observed_at: pass.observed_at,
        asset_id: pass.asset_id.as_deref().and_then(id),
    };
    item.passes().into_iter().map(|version| version.map(pass)).collect()
}

fn state_of(state: SeenState, known_from: OffsetDateTime, register: &Register, days: &Days) -> State {
    let asset_id = state.asset_id.as_deref().and_then(id);
    State {
        outcome: state.outcome,
        observed_at: state.observed_at,
        local_date: days.day(state.observed_at, known_from),
        asset_id,
        item_code: state.item_code.as_deref().map(printable).filter(|code| !code.is_empty()),
        section: register.asset(asset_id).and_then(|asset| asset.section),
    }
}

/// What the class of a failed item follows from.
fn fault_of(fail: &SeenFail) -> Fault {
    Fault {
        item_code: text(&fail.item, "item_code"),
        condition: text(&fail.item, "observed_condition"),
        asset_id: asset_id(&fail.item),
        measurements: measurements(&fail.item),
        observed_at: fail.first.observed_at,
        received_at: fail.first.received_at,
    }
}

fn state(fail: SeenFail, register: &Register) -> ItemState {
    let fault = fault_of(&fail);
    let Judged { classification, rule, why_unclassified, local_date } = register.judge(&fault);
    let registered = register.asset(fault.asset_id);
    ItemState {
        observed_at: fail.first.observed_at,
        received_at: fail.first.received_at,
        clock_suspect: fail.first.clock_suspect,
        local_date,
        last_observed_at: fail.last_observed_at,
        superseded_by: fail.superseded_by.map(|hash| hash.to_string()),
        late: fail.late,
        in_conflict: fail.in_conflict,
        outcome: outcome(&fail.outcome),
        condition: fault.condition,
        asset_id: fault.asset_id,
        measure_id: registered.and_then(|asset| asset.measure_id),
        section: registered.and_then(|asset| asset.section),
        item_code: fault.item_code,
        label: text(&fail.item, "label"),
        location: text(&fail.item, "location"),
        notes: text(&fail.item, "notes"),
        measurements: fault.measurements,
        evidence: evidence(&fail.item),
        classification,
        rule,
        why_unclassified,
    }
}

/// An outcome that is a text stays what it is; of anything else it is enough that it is none.
fn outcome(written: &Value) -> Value {
    match written {
        Value::String(text) => printable(text).into(),
        _ => Value::Null,
    }
}

fn text(item: &Map<String, Value>, field: &str) -> Option<String> {
    let text = item.get(field)?.as_str().map(printable)?;
    Some(text).filter(|text| !text.is_empty())
}

/// A text as the database takes it, and no longer than anybody reads.
fn printable(text: &str) -> String {
    text.chars()
        .take(TEXT_CHARS_MAX)
        .map(|character| if character == '\0' { '\u{fffd}' } else { character })
        .collect()
}

fn id(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text).ok()
}

fn asset_id(item: &Map<String, Value>) -> Option<Uuid> {
    item.get("asset_id").and_then(Value::as_str).and_then(id)
}

fn evidence(item: &Map<String, Value>) -> Vec<Uuid> {
    let named = item.get("evidence").and_then(Value::as_object).into_iter().flatten();
    let named = named.filter(|(_, is_there)| **is_there != Value::Bool(false) && !is_there.is_null());
    named.filter_map(|(key, _)| id(key)).take(EVIDENCE_MAX).collect()
}

/// What was measured, as far as there is room for it.
fn measurements(item: &Map<String, Value>) -> Map<String, Value> {
    let mut room = MEASUREMENT_BYTES_MAX;
    let measured = item.get("measurements").and_then(Value::as_object).into_iter().flatten();
    let fits = |(name, value): (&String, &Value)| {
        let value = printable_value(value);
        room = room.checked_sub(name.len() + value.to_string().len())?;
        Some((printable(name), value))
    };
    measured.map_while(fits).collect()
}

fn printable_value(value: &Value) -> Value {
    match value {
        Value::String(text) => printable(text).into(),
        Value::Array(values) => values.iter().map(printable_value).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| (printable(key), printable_value(value))).collect()
        }
        other => other.clone(),
    }
}
