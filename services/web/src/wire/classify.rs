//! `POST /v1/classify` and `POST /v1/rules/classify_faults`.

use firemode_domain::body;
use firemode_domain::classification::Classification;
use firemode_domain::input::{Line, List, Object};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

body! {
    /// A fault as it was seen.
    #[derive(Debug, Clone)]
    pub struct ClassifyBody like {"item_code": "EXT-PRESSURE", "observed_condition": "pressure_low"} {
        /// Code of the item.
        pub item_code: Line<64> = "EXT-PRESSURE",
        /// The condition seen.
        pub observed_condition: Line<64> = "pressure_low",
        /// The session in which it was seen.
        pub session_id: Option<Uuid>,
        /// The asset on which it was seen: what `context` does not say of the baseline, its baseline in force on the day says.
        pub asset_id: Option<Uuid>,
        /// What surrounds it: `measurement` and `baseline` as `{value, unit}`, and facts that rules ask for.
        pub context: Option<Object>,
    }
}

/// The class of a fault.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ClassifyAnswer {
    /// The class.
    pub classification: Classification,
    /// Code of the rule that decided.
    #[schema(example = "AS1851-10-EXT-PRESSURE")]
    pub rule_applied: String,
    /// Version of the rule that decided.
    #[schema(example = "1.0.0")]
    pub version_applied: String,
    /// The entry of the audit log that records this.
    pub audit_log_id: Uuid,
}

/// Faults as they were seen, 1 to 1,000.
pub type FaultsBody = List<ClassifyBody, 1, 1_000>;

/// One result for each fault.
#[derive(Debug, Serialize, ToSchema)]
pub struct FaultsAnswer {
    /// In the order of the faults.
    pub results: Vec<FaultResult>,
}

/// What became of one fault of a list.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct FaultResult {
    /// Position in the request, from 0.
    pub index: usize,
    /// The status that the fault alone would have been answered with: 200, 404 or 422.
    #[schema(example = 200)]
    pub status: u16,
    /// The class; with status 200.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classification: Option<Classification>,
    /// Code of the rule that decided; with status 200.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule_applied: Option<String>,
    /// Version of the rule that decided; with status 200.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_applied: Option<String>,
    /// `FIRE-<status>`, for programs; with any other status.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "FIRE-404")]
    pub error_code: Option<String>,
    /// What is wrong, for people; with any other status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The entry of the audit log that records this.
    pub audit_log_id: Uuid,
}
