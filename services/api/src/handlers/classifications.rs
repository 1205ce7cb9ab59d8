//! Classifications as they stand on record, and what they would be again.

use std::borrow::Cow;

use actix_web::{HttpResponse, web};
use firemode_domain::classification::{Classification, Inputs, Occasion, Receipt, Rule, Units, WhyNot};
use firemode_domain::policy::UNITS;
use firemode_storage::audit::{self, AuditEntry};
use firemode_storage::rules::{self, StoredRule};
use firemode_storage::{Executor, StorageError, policies};
use firemode_web::Problem;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::call::Call;

/// What stands on record of a classification.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ClassificationReceipt {
    /// The entry of the audit log that has it.
    audit_log_id: Uuid,
    /// When it was decided.
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    /// The item, where it was written as codes are.
    #[schema(example = "EXT-PRESSURE")]
    item_code: Option<String>,
    /// The condition, where it was written as codes are.
    #[schema(example = "pressure_low")]
    observed_condition: Option<String>,
    /// The session in which it was seen.
    session_id: Option<Uuid>,
    /// The asset on which it was seen.
    asset_id: Option<Uuid>,
    /// The day and the jurisdiction by which the rule was chosen; null: not on record, or nothing was chosen.
    #[schema(nullable)]
    occasion: Option<Occasion>,
    /// The rule that decided; null: there was none.
    #[schema(nullable)]
    rule: Option<AppliedRule>,
    /// What it decided by; null: not on record.
    #[schema(nullable)]
    inputs: Option<Inputs>,
    /// The class; null: there was none.
    #[schema(nullable)]
    classification: Option<Classification>,
    /// Why there was no class.
    #[schema(example = "FIRE-422")]
    error_code: Option<String>,
}

/// The version of a rule that decided.
#[derive(Debug, Serialize, ToSchema)]
struct AppliedRule {
    /// `GET /v1/rules/id/{rule_id}` shows it; null: not on record.
    id: Option<Uuid>,
    #[schema(example = "AS1851-10-EXT-PRESSURE")]
    code: String,
    #[schema(example = "1.0.0")]
    version: Option<String>,
    /// SHA-256, in hex, of the canonical JSON (RFC 8785) of its `rule_code`, `version` and `rule_schema`; null: not on record.
    digest: Option<String>,
}

/// A classification that was decided again, by the rule and the inputs on record.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Replay {
    audit_log_id: Uuid,
    /// Is it the answer that was given? null: it could not be decided again.
    is_same: Option<bool>,
    /// The class that it has again.
    #[schema(nullable)]
    classification: Option<Classification>,
    /// Why it has no class.
    #[schema(example = "FIRE-422")]
    error_code: Option<String>,
    /// Why it could not be decided again; null: it was.
    #[schema(nullable)]
    why_not: Option<WhyNot>,
}

/// A classification on record.
struct Recorded {
    entry: AuditEntry,
    receipt: Receipt,
}

impl Recorded {
    async fn find(on: &impl Executor, call: &Call, id: Uuid) -> Result<Self, Problem> {
        let entry = audit::find(on, call.organisation_id(), id).await?;
        let recorded = entry.and_then(|entry| Some(Self { receipt: Receipt::of(&entry.event)?, entry }));
        recorded.ok_or_else(|| Problem::not_found("classification"))
    }

    fn rule_id(&self) -> Option<Uuid> {
        self.entry.event.resource_id.as_ref()?.parse().ok()
    }

    /// The rule that decided, as it is stored now.
    async fn rule(&self, on: &impl Executor, call: &Call) -> Result<Option<Rule>, StorageError> {
        let Some(id) = self.rule_id() else { return Ok(None) };
        rules::find(on, call.organisation_id(), id).await?.map(StoredRule::rule).transpose()
    }
}

impl From<Recorded> for ClassificationReceipt {
    fn from(recorded: Recorded) -> Self {
        let id = recorded.rule_id();
        let Recorded { entry, receipt } = recorded;
        let (version, digest) = (receipt.version_applied, receipt.rule_digest);
        Self {
            audit_log_id: entry.event.id,
            at: entry.event.at,
            item_code: receipt.item_code,
            observed_condition: receipt.observed_condition,
            session_id: receipt.session_id,
            asset_id: receipt.asset_id,
            occasion: receipt.occasion,
            rule: receipt.rule_applied.map(|code| AppliedRule { id, code, version, digest }),
            inputs: receipt.inputs,
            classification: receipt.classification,
            error_code: receipt.error_code,
        }
    }
}

/// Reads what stands on record of a classification
///
/// Which rule decided, by what, and what came of it; refused ones too. What releases from before receipts recorded has no inputs.
#[utoipa::path(get, path = "/v1/classifications/{audit_log_id}", tag = "rules", operation_id = "classification_receipt", params(("audit_log_id" = Uuid, Path)),
    responses((status = 200, description = "The receipt.", body = ClassificationReceipt)))]
pub(crate) async fn receipt(id: web::Path<Uuid>, call: Call) -> Result<HttpResponse, Problem> {
    let tx = call.read().await?;
    let recorded = Recorded::find(&tx, &call, *id).await?;
    Ok(HttpResponse::Ok().json(ClassificationReceipt::from(recorded)))
}

/// Decides a classification again
///
/// By the rule that decided and by the inputs on record, so the answer is the same years later; or `why_not` says why that cannot be done.
/// Changes nothing.
#[utoipa::path(get, path = "/v1/classifications/{audit_log_id}/replay", tag = "rules", operation_id = "replay_classification",
    params(("audit_log_id" = Uuid, Path)),
    responses((status = 200, description = "What came of it.", body = Replay)))]
pub(crate) async fn replay(id: web::Path<Uuid>, call: Call) -> Result<HttpResponse, Problem> {
    let tx = call.read().await?;
    let recorded = Recorded::find(&tx, &call, *id).await?;
    let rule = recorded.rule(&tx, &call).await?;
    let receipt = &recorded.receipt;
    let units = units(&tx, receipt).await?;
    let (classification, error_code, why_not) = match receipt.replay(rule.as_ref(), units.as_deref()) {
        Ok(Ok(class)) => (Some(class), None, None),
        Ok(Err(error)) => (None, Some(Problem::from(&error).error_code()), None),
        Err(why_not) => (None, None, Some(why_not)),
    };
    let is_same = (classification, &error_code) == (receipt.classification, &receipt.error_code);
    let is_same = why_not.is_none().then_some(is_same);
    let audit_log_id = recorded.entry.event.id;
    Ok(HttpResponse::Ok().json(Replay { audit_log_id, is_same, classification, error_code, why_not }))
}

/// The units of then; none where they are not stored.
async fn units(on: &impl Executor, receipt: &Receipt) -> Result<Option<Cow<'static, Units>>, StorageError> {
    match &receipt.units {
        Some(digest) if digest != Units::present_digest() => {
            Ok(policies::find(on, UNITS, digest).await?.and_then(Units::read).map(Cow::Owned))
        }
        _ => Ok(Some(Cow::Borrowed(Units::present()))),
    }
}
