//! `firemode jobs`: what waits, runs and has failed, and what is done about it.

use std::io::{self, Write as _};
use std::process::ExitCode;

use firemode_runtime::settings::Settings;
use firemode_storage::jobs::{self, JobState, ListedJob};
use firemode_storage::{Database, Purpose, StorageError};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::cli::JobsCommand;
use crate::operate::run as block_on;
use crate::table::aligned;

/// Asks or changes the jobs, and prints. Ends with 1 where there is no such job, or its state allows no such change.
pub(crate) fn run(settings: &Settings, command: &JobsCommand) -> anyhow::Result<ExitCode> {
    match command {
        JobsCommand::List { state, kind, limit } => {
            let found = block_on(list(settings, *state, kind.as_deref(), i64::from(*limit)))??;
            io::stdout().write_all(aligned(&table(&found)).as_bytes())?;
            Ok(ExitCode::SUCCESS)
        }
        JobsCommand::Retry { id } => report(*id, block_on(retry(settings, *id))??, |state| {
            matches!(state, JobState::Waiting | JobState::Running)
        }),
        JobsCommand::Cancel { id } => report(*id, block_on(cancel(settings, *id))??, |state| {
            matches!(state, JobState::Cancelled | JobState::Running)
        }),
    }
}

async fn list(
    settings: &Settings,
    state: Option<JobState>,
    kind: Option<&str>,
    limit: i64,
) -> Result<Vec<ListedJob>, StorageError> {
    let tx = Database::new(settings, 1)?.across_tenants(Purpose::Work).read().await?;
    jobs::newest(&tx, state, kind, limit).await
}

async fn retry(settings: &Settings, id: Uuid) -> Result<Option<JobState>, StorageError> {
    let tx = Database::new(settings, 1)?.across_tenants(Purpose::Work).transaction().await?;
    let state = jobs::retry(&tx, id).await?;
    tx.commit().await?;
    Ok(state)
}

async fn cancel(settings: &Settings, id: Uuid) -> Result<Option<JobState>, StorageError> {
    let tx = Database::new(settings, 1)?.across_tenants(Purpose::Work).transaction().await?;
    let state = jobs::cancel(&tx, id).await?;
    tx.commit().await?;
    Ok(state)
}

/// Says where the job stands now.
fn report(
    id: Uuid,
    state: Option<JobState>,
    is_as_wanted: impl Fn(JobState) -> bool,
) -> anyhow::Result<ExitCode> {
    let Some(state) = state else { anyhow::bail!("there is no job {id}") };
    writeln!(io::stdout(), "Job {id} is {}.", state.as_str())?;
    Ok(if is_as_wanted(state) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn table(jobs: &[ListedJob]) -> Vec<[String; 9]> {
    let head =
        ["ID", "KIND", "KEY", "ORGANISATION", "STATE", "DONE", "ATTEMPTS", "DUE OR ENDED", "LAST ERROR"];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(jobs.iter().map(row));
    rows
}

fn row(job: &ListedJob) -> [String; 9] {
    let at = match job.state {
        JobState::Waiting | JobState::Running => Some(job.due_at),
        JobState::Done | JobState::Failed | JobState::Cancelled => job.finished_at,
    };
    [
        job.id.to_string(),
        job.kind.clone(),
        job.key.clone(),
        job.organisation_id.map_or_else(|| "-".to_owned(), |id| id.to_string()),
        job.state.as_str().to_owned(),
        format!("{:.0} %", job.progress * 100.0),
        job.attempts.to_string(),
        at.map_or_else(|| "-".to_owned(), written),
        job.last_error.clone().unwrap_or_default().replace('\n', " "),
    ]
}

/// To the second.
fn written(at: OffsetDateTime) -> String {
    let whole = at - Duration::nanoseconds(at.nanosecond().into());
    whole.format(&Rfc3339).unwrap_or_else(|_| "-".to_owned())
}
