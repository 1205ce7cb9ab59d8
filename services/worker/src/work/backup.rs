//! Makes backups by a schedule.
//!
//! What is due follows from the last one that is known to be whole, which stands in the job's row: a worker that was away makes up for
//! one backup, and not for each that was missed.

use std::rc::Rc;
use std::thread;
use std::time::Duration;

use firemode_backup::{BackupError, Kept};
use firemode_runtime::settings::{Schedule, Settings};
use firemode_storage::{Database, Purpose, StorageError, jobs};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::oneshot;

use crate::engine::{Failure, Outcome};
use crate::state::WorkerState;

/// Between two looks at the schedule, whose times are whole minutes.
const LOOK: Duration = Duration::from_secs(60);

/// Makes one if it is time for it.
pub(crate) async fn run(state: Rc<WorkerState>) -> Result<Outcome, Failure> {
    let made = match Schedule::parse(&state.settings.backup.schedule) {
        Ok(schedule) if is_due(&state.database, &schedule).await? => {
            Some(make(state.settings.clone()).await?)
        }
        // There is none: checked settings have no wrong one.
        _ => None,
    };
    Ok(Outcome::Again(LOOK, made.as_ref().map(shown)))
}

async fn is_due(database: &Database, schedule: &Schedule) -> Result<bool, StorageError> {
    let tx = database.across_tenants(Purpose::Work).read().await?;
    let last = jobs::last_backup_begun_at(&tx).await?;
    Ok(schedule.is_due(last, OffsetDateTime::now_utc()))
}

/// Reading, compressing and hashing would hold up what else the engine's thread does. The thread stops soon where nobody waits for it
/// any more.
async fn make(settings: Settings) -> Result<Kept, Failure> {
    let (mut done, made) = oneshot::channel();
    let work = async move {
        let made = tokio::select! {
            made = firemode_backup::make(&settings) => made,
            () = done.closed() => return,
        };
        // Nobody may wait for it by now.
        let _ = done.send(made);
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Later(error.to_string()))?;
    let on_thread = move || {
        runtime.block_on(work);
        runtime.shutdown_background();
    };
    thread::Builder::new()
        .name("backup".to_owned())
        .spawn(on_thread)
        .map_err(|error| Failure::Later(error.to_string()))?;
    let made = made.await.map_err(|_| Failure::Later("the thread broke down".to_owned()))?;
    let kept = made.map_err(|error| Failure::Later(with_causes(&error)))?;
    report(&kept);
    Ok(kept)
}

fn report(Kept { name, contents, .. }: &Kept) {
    tracing::info!(name, bytes = contents.bytes, "a backup was made and verified");
    if !contents.left_out.is_empty() {
        let left_out = contents.left_out.join(", ");
        tracing::warn!(name, left_out, "tables that are not FireMode's are not in the backup");
    }
}

/// What stands in the job's row.
fn shown(Kept { name, begun_at, contents }: &Kept) -> Value {
    json!({
        "name": name, "begun_at": begun_at.format(&Rfc3339).unwrap_or_default(), "bytes": contents.bytes,
        "tables": contents.tables, "evidence_files": contents.evidence_files, "left_out": contents.left_out,
    })
}

fn with_causes(error: &BackupError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
