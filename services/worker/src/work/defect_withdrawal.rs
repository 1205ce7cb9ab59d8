//! Withdraws the defects that were known before defects were followed, for a manager who asked for it.
//!
//! Each is withdrawn as if the manager had done it by hand: by an act, in a transaction with its audit event. So a run that begins again goes
//! on with those that are left, and one that has lost the job finds nothing to do where the other one was.

use std::borrow::Cow;
use std::rc::Rc;

use firemode_domain::audit::{AuditEvent, AuditStatus, Record, truncate_to_microseconds};
use firemode_domain::defect::DefectStatus;
use firemode_storage::defects::withdrawal::WithdrawalOrder;
use firemode_storage::{StorageError, Transaction, audit};
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::engine::{Failure, Outcome, Task};
use crate::state::WorkerState;

/// Defects that are withdrawn by one transaction.
const GROUP: i64 = 50;

/// Withdraws all that are left.
pub(crate) async fn run(state: Rc<WorkerState>, task: Rc<Task>) -> Result<Outcome, Failure> {
    let organisation_id =
        task.job.organisation_id.ok_or_else(|| Failure::Refused("It is nobody's.".to_owned()))?;
    let order: WithdrawalOrder = serde_json::from_value(task.job.input.clone())
        .map_err(|error| Failure::Refused(format!("The order cannot be read: {error}")))?;
    let tx = state.database.tenant(organisation_id).read().await?;
    let total = order.count_left(&tx, organisation_id).await?;
    drop(tx);
    let (mut withdrawn, mut after) = (0, Uuid::nil());
    loop {
        let tx = state.database.tenant(organisation_id).transaction().await?;
        let group = order.left(&tx, organisation_id, after, GROUP).await?;
        let Some(last) = group.last() else { break };
        after = last.id;
        let done = order.withdraw(&tx, organisation_id, &group).await?;
        for (defect_id, was) in &done {
            record(&tx, organisation_id, &task, &order, (*defect_id, *was)).await?;
        }
        tx.commit().await?;
        withdrawn += done.len();
        task.progress(withdrawn as f32 / total.max(1) as f32);
    }
    Ok(Outcome::Done(json!({"withdrawn": withdrawn})))
}

/// Puts on record that the manager withdrew a defect.
async fn record(
    tx: &Transaction,
    organisation_id: Uuid,
    task: &Task,
    order: &WithdrawalOrder,
    (defect_id, was): (Uuid, DefectStatus),
) -> Result<(), StorageError> {
    let deed = order.deed();
    let commitments = audit::commitments(tx, organisation_id, defect_id).await?;
    let is = Record::of(&commitments, &deed).map_err(|error| StorageError::Damaged(error.to_string()))?;
    let event = AuditEvent {
        id: Uuid::now_v7(),
        organisation_id,
        actor_user_id: Some(order.user_id),
        action: Cow::Borrowed(deed.action()),
        resource_type: Cow::Borrowed("defect"),
        resource_id: Some(defect_id.to_string()),
        status: AuditStatus::Success,
        before: Some(json!({"status": was})),
        after: Some(is),
        // No request did it: the order stands in the log under the job's id.
        transaction_id: task.hold().job_id,
        at: truncate_to_microseconds(OffsetDateTime::now_utc()),
        replaces: None,
    };
    audit::record(tx, &[event]).await
}
