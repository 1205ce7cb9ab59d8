//! What defects are worked out from.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use time::{Date, OffsetDateTime};
use uuid::{Builder, Uuid};

use super::act::Act;
use super::version::RuleReference;
use super::{DefectClass, iso_date};
use crate::session::LateState;

/// Something, and from when until when it was known.
#[derive(Debug, Clone, PartialEq)]
pub struct Known<T> {
    /// When it was recorded.
    pub from: OffsetDateTime,
    /// When what takes its place was recorded; none: it is what is known.
    pub to: Option<OffsetDateTime>,
    /// What was known.
    pub what: T,
}

impl<T> Known<T> {
    /// What follows from it, known as long.
    pub fn map<U>(self, follows: impl FnOnce(T) -> U) -> Known<U> {
        Known { from: self.from, to: self.to, what: follows(self.what) }
    }

    /// Was it known at a moment?
    pub fn is_known_at(&self, at: OffsetDateTime) -> bool {
        self.from <= at && self.to.is_none_or(|to| at < to)
    }
}

/// An item of a session of which somebody wrote that it fails.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// See [`observation_id`].
    pub id: Uuid,
    /// The session.
    pub session_id: Uuid,
    /// The item.
    pub item_id: String,
    /// The session's building.
    pub building_id: Uuid,
    /// What was known of it, the first first.
    pub versions: Vec<Known<ItemState>>,
}

impl Observation {
    /// What was known of it at a moment.
    pub(super) fn at(&self, at: OffsetDateTime) -> Option<&ItemState> {
        let behind = self.versions.partition_point(|version| version.from <= at);
        let last = self.versions.get(behind.checked_sub(1)?)?;
        last.is_known_at(at).then_some(&last.what)
    }
}

/// What an item says that fails, or did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ItemState {
    /// When somebody first said that it fails.
    #[serde(with = "time::serde::rfc3339")]
    pub observed_at: OffsetDateTime,
    /// When that was received.
    #[serde(with = "time::serde::rfc3339")]
    pub received_at: OffsetDateTime,
    /// Could the time that was stated not be right?
    pub clock_suspect: bool,
    /// The day at the building.
    #[serde(with = "iso_date")]
    pub local_date: Date,
    /// When somebody last said that it fails.
    #[serde(with = "time::serde::rfc3339")]
    pub last_observed_at: OffsetDateTime,
    /// The change, by its hash, that says otherwise and had seen it.
    pub superseded_by: Option<String>,
    /// What became of it where it came after the session was completed.
    pub late: Option<LateState>,
    /// Are there several outcomes, about which nobody has decided?
    pub in_conflict: bool,
    /// The outcome as it was written.
    pub outcome: Value,
    /// The condition that was seen.
    pub condition: Option<String>,
    /// The asset.
    pub asset_id: Option<Uuid>,
    /// The measure of the building's schedule that the asset is of.
    pub measure_id: Option<Uuid>,
    /// Code of the item.
    pub item_code: Option<String>,
    /// What it is called.
    pub label: Option<String>,
    /// Where it is.
    pub location: Option<String>,
    /// Section of AS 1851-2012.
    pub section: Option<i16>,
    /// What the technician wrote.
    pub notes: Option<String>,
    /// What was measured.
    pub measurements: Map<String, Value>,
    /// Evidence.
    pub evidence: Vec<Uuid>,
    /// The class that the rules give.
    pub classification: DefectClass,
    /// The rule that gave it.
    pub rule: Option<RuleReference>,
    /// Why there is no class.
    pub why_unclassified: Option<String>,
}

impl ItemState {
    /// Does it count: nobody has said otherwise, and it was not rejected?
    pub(super) fn stands(&self) -> bool {
        self.superseded_by.is_none() && !self.is_rejected()
    }

    pub(super) fn is_rejected(&self) -> bool {
        self.late == Some(LateState::Rejected)
    }
}

/// An item of a session that passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ItemPass {
    /// The session.
    pub session_id: Uuid,
    /// When it passed.
    pub observed_at: OffsetDateTime,
}

/// All that is known of one thing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SubjectFacts {
    /// The thing: see [`subject_of`].
    pub subject_id: Uuid,
    /// What was observed.
    pub observations: Vec<Observation>,
    /// What passed.
    pub passes: Vec<Known<ItemPass>>,
    /// What people did.
    pub acts: Vec<Act>,
}

/// The thing that an item is: its asset, or a name of its own in the building where it is of none.
pub fn subject_of(building_id: Uuid, item_id: &str, asset_id: Option<Uuid>) -> Uuid {
    asset_id.unwrap_or_else(|| named("item", &[building_id.as_bytes(), item_id.as_bytes()]))
}

/// The id of an observation: a session has one of each item.
pub fn observation_id(session_id: Uuid, item_id: &str) -> Uuid {
    named("observation", &[session_id.as_bytes(), item_id.as_bytes()])
}

/// The id of the defect that an observation is the first of.
pub fn defect_of_observation(subject_id: Uuid, observation_id: Uuid) -> Uuid {
    named("defect", &[subject_id.as_bytes(), observation_id.as_bytes()])
}

/// An id that follows from what it names.
fn named(kind: &str, parts: &[&[u8]]) -> Uuid {
    let mut hash = Sha256::new_with_prefix(kind);
    parts.iter().for_each(|part| hash.update(part));
    let digest: [u8; 32] = hash.finalize().into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    Builder::from_custom_bytes(bytes).into_uuid()
}
