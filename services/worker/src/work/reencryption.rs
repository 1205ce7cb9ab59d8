//! Brings personal data under the present key, batch by batch, while more than one key is configured.
//!
//! Each batch notes in its own transaction how far it came, so a process may end at any point and another one goes on. A value is
//! replaced only where it still is what was read.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use firemode_domain::audit::AuditEvent;
use firemode_identity::{Renewal, Vault};
use firemode_storage::audit::{self, KeyKind};
use firemode_storage::personal_data::{self, COLUMNS, Reencryption};
use firemode_storage::{Purpose, StorageError, Transaction};
use metrics::{counter, describe_counter, describe_gauge, gauge};
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::engine::{Failure, Outcome, Task};
use crate::state::WorkerState;

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    /// There may be more to do; of a step that did something, how far the whole is.
    More(Option<f32>),
    /// Nothing, for now.
    Idle,
}

/// What a batch did to one organisation's values: how many were under which key. All of them are under the first now.
type Replaced = BTreeMap<Uuid, BTreeMap<String, u64>>;

/// Says what the figures of this file are.
pub(crate) fn describe() {
    describe_counter!("firemode_personal_data_reencrypted_total", "Values that this process re-encrypted.");
    describe_gauge!(
        "firemode_personal_data_unreadable",
        "Values that the last whole look found under none of the keys."
    );
}

/// Has this process more than one key? Others leave the work to those that have.
pub(crate) fn is_possible(state: &WorkerState) -> bool {
    state.vault.key_ids().count() > 1
}

/// Works until there is nothing left under another key, and looks again at intervals: an instance that has not been
/// restarted yet may still write with the key of before.
pub(crate) async fn run(state: Rc<WorkerState>, task: Rc<Task>) -> Result<Outcome, Failure> {
    let auth = &state.settings.auth;
    while let Step::More(share) = step(&state).await? {
        share.into_iter().for_each(|share| task.progress(share));
        tokio::time::sleep(Duration::from_millis(auth.reencryption_pause_milliseconds)).await;
    }
    // The row of the last run says when it ended; asking is cheap.
    Ok(Outcome::Again(Duration::from_secs(auth.reencryption_interval_seconds.min(10)), None))
}

async fn step(state: &WorkerState) -> Result<Step, StorageError> {
    let tx = state.database.across_tenants(Purpose::PersonalData).transaction().await?;
    if !personal_data::try_lock(&tx).await? {
        return Ok(Step::More(None));
    }
    let own = state.vault.encrypting_key_id();
    let known = personal_data::known_keys(&tx).await?;
    if known.first().is_none_or(|newest| newest.id != own) {
        return Ok(Step::Idle);
    }
    let last = personal_data::reencryption(&tx).await?.filter(|last| last.key_id == own);
    let Some(progress) = due(&tx, last, own, state.settings.auth.reencryption_interval_seconds).await? else {
        return Ok(Step::Idle);
    };
    let rows_max = i64::from(state.settings.auth.reencryption_batch_rows);
    let (progress, replaced) = batch(&tx, &state.vault, progress, rows_max).await?;
    audit::record(&tx, &on_record(own, &replaced)).await?;
    personal_data::keep(&tx, &progress).await?;
    if is_clean(&progress) {
        let others: Vec<&str> = known.iter().skip(1).map(|key| key.id.as_str()).collect();
        personal_data::retire(&tx, &others).await?;
    }
    tx.commit().await?;
    let values = replaced.values().flat_map(BTreeMap::values).sum();
    counter!("firemode_personal_data_reencrypted_total").increment(values);
    report(&progress);
    Ok(Step::More(Some(share(&progress))))
}

/// The run to go on with, a new one where it is time for it, or nothing.
async fn due(
    tx: &Transaction,
    last: Option<Reencryption>,
    key_id: &str,
    interval_seconds: u64,
) -> Result<Option<Reencryption>, StorageError> {
    let Some(last) = last else {
        tracing::info!(key_id, "re-encryption of personal data begins");
        return personal_data::begin(tx, key_id).await.map(Some);
    };
    let Some(ended_at) = last.ended_at else { return Ok(Some(last)) };
    // A run that replaced something is followed by one that makes sure.
    let rests_until = ended_at + Duration::from_secs(interval_seconds);
    let rests = last.rows_reencrypted == 0 && OffsetDateTime::now_utc() < rests_until;
    if rests { Ok(None) } else { personal_data::begin(tx, key_id).await.map(Some) }
}

/// The next rows of the present column, and where that leaves the run.
async fn batch(
    tx: &Transaction,
    vault: &Vault,
    mut progress: Reencryption,
    rows_max: i64,
) -> Result<(Reencryption, Replaced), StorageError> {
    let mut replaced = Replaced::new();
    let column = usize::try_from(progress.column_index).ok().and_then(|index| COLUMNS.get(index));
    let Some(column) = column else {
        progress.ended_at = Some(OffsetDateTime::now_utc());
        return Ok((progress, replaced));
    };
    let cells = personal_data::cells_after(tx, *column, progress.after_id, rows_max).await?;
    for cell in &cells {
        match vault.renew(&cell.token) {
            Renewal::Current => {}
            Renewal::Renewed { from, token } => {
                // Where somebody has just changed it, the next run looks again.
                progress.rows_reencrypted += 1;
                if personal_data::replace(tx, *column, cell, &token).await? {
                    let of_organisation = replaced.entry(cell.organisation_id).or_default();
                    *of_organisation.entry(from.to_owned()).or_default() += 1;
                }
            }
            Renewal::Unreadable => progress.rows_unreadable += 1,
        }
    }
    progress.after_id = cells.last().map(|cell| cell.id);
    if cells.is_empty() {
        progress.column_index += 1;
    }
    Ok((progress, replaced))
}

/// What stands in the log of each organisation: the keys by their ids, and how many values. The batch is their transaction.
fn on_record(key_id: &str, replaced: &Replaced) -> Vec<AuditEvent> {
    let transaction_id = Uuid::now_v7();
    let event = |(organisation_id, values): (&Uuid, &BTreeMap<String, u64>)| {
        let resource = (KeyKind::PersonalData.as_str(), key_id.to_owned());
        AuditEvent {
            before: Some(json!({"values": values})),
            after: Some(json!({"values": {key_id: values.values().sum::<u64>()}})),
            ..AuditEvent::of_system(*organisation_id, transaction_id, "key.reencrypt", resource)
        }
    };
    replaced.iter().map(event).collect()
}

/// How far a run is, by its columns.
fn share(progress: &Reencryption) -> f32 {
    f32::from(i16::try_from(progress.column_index).unwrap_or(i16::MAX)) / COLUMNS.len() as f32
}

/// A whole run found nothing under any other key.
fn is_clean(progress: &Reencryption) -> bool {
    progress.ended_at.is_some() && progress.rows_reencrypted == 0 && progress.rows_unreadable == 0
}

fn report(progress: &Reencryption) {
    if progress.ended_at.is_none() {
        return;
    }
    let Reencryption { key_id, rows_reencrypted, rows_unreadable, .. } = progress;
    gauge!("firemode_personal_data_unreadable").set(*rows_unreadable as f64);
    if *rows_unreadable > 0 {
        tracing::error!(
            key_id,
            rows_reencrypted,
            rows_unreadable,
            "personal data is under a key that is not in PII_ENCRYPTION_KEY; add the key"
        );
    } else if *rows_reencrypted > 0 {
        tracing::info!(key_id, rows_reencrypted, "personal data was re-encrypted; one more look makes sure");
    } else {
        tracing::info!(key_id, "all personal data is under this key; the others may be removed");
    }
}
