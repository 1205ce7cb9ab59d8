//! Defects from before defects were followed, which nobody wants to go through one by one.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use firemode_domain::audit::{OnRecord, Record};
use firemode_domain::body;
use firemode_domain::input::Text;
use firemode_storage::buildings::Building;
use firemode_storage::defects::withdrawal::{JOB_KIND, WithdrawalOrder};
use firemode_storage::jobs::Job;
use firemode_storage::{Hold, Transaction, audit, table};
use firemode_web::{Body, IdempotencyKey, Outcome, Problem};
use serde_json::json;
use uuid::Uuid;

use super::NOUN;
use crate::call::Call;
use crate::handlers::jobs::{self, accepted};
use crate::object::on_record;

body! {
    /// Which defects are withdrawn, and why.
    #[derive(Debug, Clone)]
    pub(crate) struct WithdrawHistory like {"reason": "Dealt with before we used FireMode."} {
        /// Why, for each of them.
        reason: Text<2000> = "Dealt with before we used FireMode.",
        /// Those of one building; left out: of all.
        building_id: Option<Uuid>,
    }
}

/// Withdraws the open defects that were known before defects were followed
///
/// Each of them (`from_history`) that is not closed or withdrawn yet takes that step, with the one reason. The job's `result` says how many
/// were `withdrawn`.
#[utoipa::path(post, path = "/v1/defects/withdrawals", tag = "defects", request_body = WithdrawHistory, params(IdempotencyKey),
    responses((status = 202, description = "The job; `Location` names it.", body = Job),
              (status = 429, description = "Too many such jobs are open.")))]
pub(crate) async fn withdraw_history(
    body: Body<WithdrawHistory>,
    key: IdempotencyKey,
    call: Call,
) -> Result<HttpResponse, Problem> {
    let start = async |tx: &Transaction| {
        Outcome::new(StatusCode::ACCEPTED, &start(&call, tx, body.value.clone()).await?)
    };
    accepted(call.run_once(&key, &body.fingerprint, start).await?)
}

async fn start(call: &Call, tx: &Transaction, asked: WithdrawHistory) -> Result<Job, Problem> {
    let organisation_id = call.organisation_id();
    if let Some(building_id) = asked.building_id
        && table::find::<Building>(tx, organisation_id, building_id, Hold::None).await?.is_none()
    {
        return Err(Problem::invalid_field("building_id", "is not a building of your organisation"));
    }
    let (reason, building_id) = (asked.reason.into_string(), asked.building_id);
    let order = WithdrawalOrder { user_id: call.user_id(), reason, building_id };
    let job = jobs::start(call, tx, JOB_KIND, &json!(order)).await?;
    let commitments = audit::commitments(tx, organisation_id, job.id).await?;
    let said = on_record(&commitments, &Ordered(&order))?;
    call.record(tx, "defect.withdraw_history", (NOUN, job.id), None, said).await?;
    Ok(job)
}

/// What the audit log keeps of an order; it is known by its job.
struct Ordered<'a>(&'a WithdrawalOrder);

impl OnRecord for Ordered<'_> {
    fn on_record(&self, record: &mut Record<'_>) {
        record.plain("building_id", self.0.building_id);
        record.text("reason", self.0.reason.as_str());
    }
}
