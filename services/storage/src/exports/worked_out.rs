//! What is worked out of sessions and of what people did: observations and defects. Its rows are written again and removed, and
//! `feed_changes` says when each of them last was.

use firemode_domain::defect::{DefectClass, RuleReference};
use firemode_domain::session::LateState;
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Fed, Source};
use crate::StorageError;
use crate::defects::KNOWN_NOW;
use crate::defects::read::{Defect, versions_with};
use crate::row::{Column, Row, row};

/// A defect as it is known, or that there is none any more.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum FedDefect {
    /// It is known.
    Known {
        /// What is known.
        #[serde(flatten)]
        defect: Box<Defect>,
        /// Its observations.
        observation_ids: Vec<Uuid>,
        /// False.
        is_removed: bool,
    },
    /// No fact gives it any more.
    Removed(Removed),
}

/// An observation of an item that fails as it is known, or that there is none any more.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum FedObservation {
    /// It is known.
    Known {
        /// What is known.
        #[serde(flatten)]
        observation: Box<ObservedItem>,
        /// False.
        is_removed: bool,
    },
    /// Its session does not say so any more.
    Removed(Removed),
}

/// Something that is no more.
#[derive(Debug, Clone, Serialize)]
pub struct Removed {
    /// Its id.
    pub id: Uuid,
    /// True.
    pub is_removed: bool,
}

row! {
    /// An observation as feeds have it.
    #[derive(Debug, Clone, Serialize)]
    pub struct ObservedItem {
        /// The observation's id.
        pub id: Uuid,
        /// The session in which the item failed.
        pub session_id: Uuid,
        /// The item in that session.
        pub item_id: String,
        /// The building.
        pub building_id: Uuid,
        /// The asset.
        pub asset_id: Option<Uuid>,
        /// Code of the item.
        pub item_code: Option<String>,
        /// Section of AS 1851-2012.
        pub section: Option<i16>,
        /// When it was first seen to fail.
        #[serde(with = "time::serde::rfc3339")]
        pub observed_at: OffsetDateTime,
        /// When that was received.
        #[serde(with = "time::serde::rfc3339")]
        pub received_at: OffsetDateTime,
        /// Could the time that was stated not be right?
        pub clock_suspect: bool,
        /// From when on it is known so.
        #[serde(with = "time::serde::rfc3339")]
        pub known_from: OffsetDateTime,
        /// The outcome as it was written.
        pub outcome: Value,
        /// The condition that was seen.
        pub condition: Option<String>,
        /// What was measured.
        pub measurements: Value,
        /// The class that the rules give.
        pub classification: DefectClass,
        /// The rule that gave it.
        pub rule: Option<RuleReference>,
        /// Hash of the change that says otherwise and had seen it.
        pub superseded_by: Option<String>,
        /// What became of it where it came after the session was completed.
        pub late: Option<LateState>,
        /// Are there several outcomes, about which nobody has decided?
        pub in_conflict: bool,
        /// Evidence of it.
        pub evidence: Vec<Uuid>,
    }
}

/// The column that has the id of what changed.
const CHANGED_ID: &str = "changed_id";

/// What of a kind has changed, with what is known of it now.
fn changed(kind: &str, known: &str) -> Source {
    Source {
        columns: "*".to_owned(),
        from: format!(
            "(select c.organisation_id, c.id as {CHANGED_ID}, c.changed_xid, now.*
              from feed_changes c left join lateral (
                  select * from {known} known where known.of_organisation = c.organisation_id and known.id = c.id offset 0
              ) now on true
              where c.kind = '{kind}') changed"
        ),
        xid: Some("changed_xid"),
        id: CHANGED_ID,
        ..Source::default()
    }
}

/// All that is known of a kind now.
fn known(known: &str) -> Source {
    Source {
        columns: format!("*, id as {CHANGED_ID}"),
        from: format!("(select known.*, known.of_organisation as organisation_id from {known} known) known"),
        id: "id",
        ..Source::default()
    }
}

fn sources(kind: &str, is_whole: bool, of_kind: &str) -> Vec<Source> {
    vec![if is_whole { known(of_kind) } else { changed(kind, of_kind) }]
}

/// The id of what is no more, where it is.
fn removed(row: &tokio_postgres::Row) -> Option<Removed> {
    let known: Option<Uuid> = row.get("id");
    known.is_none().then(|| Removed { id: row.get(CHANGED_ID), is_removed: true })
}

impl Fed for FedDefect {
    fn sources(is_whole: bool) -> Vec<Source> {
        let versions = versions_with(&["observation_ids"]);
        let columns = Defect::columns();
        let of_kind = format!(
            "(select {columns}, observation_ids, organisation_id as of_organisation from {versions} where {KNOWN_NOW})"
        );
        sources("defect", is_whole, &of_kind)
    }

    fn read(row: &tokio_postgres::Row) -> Result<Self, StorageError> {
        if let Some(removed) = removed(row) {
            return Ok(Self::Removed(removed));
        }
        let mut defect = Defect::read(row)?;
        // Feeds name nobody.
        if let Some(deferral) = &mut defect.deferral {
            deferral.accepted_by = None;
        }
        let observation_ids = Column::read(row, "observation_ids")?;
        Ok(Self::Known { defect: Box::new(defect), observation_ids, is_removed: false })
    }
}

impl Fed for FedObservation {
    fn sources(is_whole: bool) -> Vec<Source> {
        let of_kind = format!(
            "(select organisation_id as of_organisation, id, session_id, item_id, building_id,
                     (content ->> 'asset_id')::uuid as asset_id, content ->> 'item_code' as item_code,
                     (content ->> 'section')::int2 as section, observed_at, received_at,
                     (content ->> 'clock_suspect')::bool as clock_suspect, known_from, content -> 'outcome' as outcome,
                     content ->> 'condition' as condition, content -> 'measurements' as measurements, classification,
                     nullif(content -> 'rule', 'null') as rule, content ->> 'superseded_by' as superseded_by, content ->> 'late' as late,
                     (content ->> 'in_conflict')::bool as in_conflict,
                     array(select e::uuid from jsonb_array_elements_text(content -> 'evidence') e) as evidence
              from item_observations where {KNOWN_NOW})"
        );
        sources("observation", is_whole, &of_kind)
    }

    fn read(row: &tokio_postgres::Row) -> Result<Self, StorageError> {
        match removed(row) {
            Some(removed) => Ok(Self::Removed(removed)),
            None => Ok(Self::Known { observation: Box::new(Row::read(row)?), is_removed: false }),
        }
    }
}
