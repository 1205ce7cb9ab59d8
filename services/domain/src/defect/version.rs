//! What is known of a defect at a moment.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::{Date, OffsetDateTime};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{DefectClass, DefectSource, DefectStatus, iso_date};

/// What is known of a defect from one moment until another.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(missing_docs, reason = "The columns of `defect_versions`, which data_model.md describes.")]
pub struct DefectVersion {
    pub building_id: Uuid,
    pub measure_id: Option<Uuid>,
    pub asset_id: Option<Uuid>,
    pub item_id: Option<String>,
    pub session_id: Option<Uuid>,
    pub source: DefectSource,
    pub item_code: Option<String>,
    pub condition: Option<String>,
    pub classification: DefectClass,
    pub is_overridden: bool,
    pub description: String,
    pub location: Option<String>,
    pub section: Option<i16>,
    pub status: DefectStatus,
    pub provisional: bool,
    pub assigned_to: Option<Uuid>,
    #[serde(with = "time::serde::rfc3339")]
    pub opened_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub observed_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub received_at: OffsetDateTime,
    pub clock_suspect: bool,
    #[serde(with = "iso_date")]
    pub local_date: Date,
    pub observations: i32,
    pub observation_ids: Vec<Uuid>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_observed_at: Option<OffsetDateTime>,
    pub passes_since: i32,
    pub needs_review: bool,
    pub superseded_by: Option<String>,
    pub interim_measures: InterimMeasures,
    pub deferral: Option<Deferral>,
    #[serde(with = "iso_date::option")]
    pub scheduled_for: Option<Date>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub repaired_at: Option<OffsetDateTime>,
    pub repaired_by: Option<Uuid>,
    pub verified_by: Option<Uuid>,
    pub reopens: Option<Uuid>,
    pub rule: Option<RuleReference>,
    pub evidence: Vec<Uuid>,
    pub external_id: Option<String>,
    pub metadata: Map<String, Value>,
}

/// What was done until a defect is repaired, the first first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct InterimMeasures(pub Vec<InterimMeasure>);

/// Something that was done until a defect is repaired.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct InterimMeasure {
    /// What was done.
    pub text: String,
    /// Who did it.
    pub by: Uuid,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Until when it lasts.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    pub until: Option<OffsetDateTime>,
    /// Evidence of it.
    pub evidence: Vec<Uuid>,
}

/// Why a defect waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Deferral {
    /// Until when.
    #[serde(with = "iso_date::option")]
    #[schema(value_type = Option<String>, format = Date)]
    pub until: Option<Date>,
    /// Who accepts the risk.
    pub accepted_by: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// Where it goes on afterwards: the status that it had.
    pub from: DefectStatus,
}

/// The rule that gave a class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RuleReference {
    /// Its code.
    pub code: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of it, in hex.
    pub digest: String,
}
