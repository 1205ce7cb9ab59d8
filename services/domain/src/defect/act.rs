//! What people do about defects.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::{Date, OffsetDateTime};
use uuid::Uuid;

use super::{DefectClass, DefectSource, DefectStatus, iso_date};

/// What a person did about a defect.
#[derive(Debug, Clone, PartialEq)]
pub struct Act {
    /// The act.
    pub id: Uuid,
    /// The defect; of an opening, the act's own id.
    pub defect_id: Uuid,
    /// The building.
    pub building_id: Uuid,
    /// When it was done.
    pub at: OffsetDateTime,
    /// When it was recorded.
    pub recorded_at: OffsetDateTime,
    /// Who did it.
    pub user_id: Uuid,
    /// What.
    pub deed: Deed,
}

/// What was done. As JSON `{"kind": …, "body": {…}}`, which are two columns of its row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "body", rename_all = "snake_case")]
pub enum Deed {
    /// A defect was opened by hand.
    Open(Box<Opening>),
    /// It went on to another status.
    Transition(Transition),
    /// It was seen again.
    Observe {
        /// What was seen.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
        /// Evidence of that.
        #[serde(default)]
        evidence: Vec<Uuid>,
    },
    /// A person set the class.
    Reclassify {
        /// The class.
        classification: DefectClass,
        /// Why.
        reason: String,
    },
    /// Somebody is to see to it; none: nobody any more.
    Assign {
        /// Who.
        assigned_to: Option<Uuid>,
    },
    /// What it is was put in other words. What is left out stays.
    Describe {
        /// What it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<String>,
        /// Where it is.
        #[serde(default, skip_serializing_if = "Option::is_none", with = "given")]
        location: Option<Option<String>>,
        /// What another system calls it.
        #[serde(default, skip_serializing_if = "Option::is_none", with = "given")]
        external_id: Option<Option<String>>,
        /// The organisation's own fields, all of them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        metadata: Option<Map<String, Value>>,
    },
    /// Something was done until it is repaired.
    InterimMeasure {
        /// What.
        text: String,
        /// Until when it lasts.
        #[serde(default, skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
        until: Option<OffsetDateTime>,
        /// Evidence of that.
        #[serde(default)]
        evidence: Vec<Uuid>,
    },
    /// Evidence of it was named.
    Evidence {
        /// Which.
        evidence: Vec<Uuid>,
    },
}

/// A defect that a person opened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Opening {
    /// Where it comes from.
    pub source: DefectSource,
    /// The asset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset_id: Option<Uuid>,
    /// The item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item_id: Option<String>,
    /// The session in which it was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<Uuid>,
    /// The measure of the building's schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure_id: Option<Uuid>,
    /// Code of the item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item_code: Option<String>,
    /// The condition that was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// Its class.
    pub classification: DefectClass,
    /// What it is.
    pub description: String,
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Section of AS 1851-2012.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section: Option<i16>,
    /// The day at the building.
    #[serde(with = "iso_date")]
    pub local_date: Date,
    /// Could the time that was stated not be right?
    #[serde(default)]
    pub clock_suspect: bool,
    /// The closed defect that it takes up again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reopens: Option<Uuid>,
    /// Why that is taken up again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Evidence of it.
    #[serde(default)]
    pub evidence: Vec<Uuid>,
    /// What another system calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// The organisation's own fields.
    #[serde(default)]
    pub metadata: Map<String, Value>,
}

/// A step in the life of a defect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transition {
    /// Where it leads.
    pub to: DefectStatus,
    /// Why, or what was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When the repair is planned.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "iso_date::option")]
    pub scheduled_for: Option<Date>,
    /// Until when it is deferred.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "iso_date::option")]
    pub until: Option<Date>,
    /// Who accepts the risk of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_by: Option<String>,
    /// Evidence.
    #[serde(default)]
    pub evidence: Vec<Uuid>,
}

/// A field that was given, also as null.
mod given {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        given: &Option<Option<String>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        given.as_ref().and_then(Option::as_ref).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Option<String>>, D::Error> {
        Option::deserialize(deserializer).map(Some)
    }
}
