//! `firemode jobs`: what waits, runs and has failed, and what is done about it.

use std::io::{self, Write as _};
use std::process::ExitCode;

use firemode_domain::audit::AuditEvent;
use firemode_runtime::settings::Settings;
use firemode_storage::jobs::{self, JobState, ListedJob, Steered};
use firemode_storage::{Database, Purpose, StorageError, audit};
use serde_json::json;
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
        JobsCommand::Retry { id } => report(*id, block_on(steer(settings, *id, Act::Retry))??),
        JobsCommand::Cancel { id } => report(*id, block_on(steer(settings, *id, Act::Cancel))??),
    }
}

/// What is done about a job.
#[derive(Debug, Clone, Copy)]
enum Act {
    Retry,
    Cancel,
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

/// Does it, and puts on record what was done about an organisation's job. The appliance's own jobs are nobody's, and in no log.
async fn steer(settings: &Settings, id: Uuid, act: Act) -> Result<Option<(Act, Steered)>, StorageError> {
    let database = Database::new(settings, 1)?;
    let owner = jobs::owner(&database.across_tenants(Purpose::Work).read().await?, id).await?;
    let scope = match owner {
        None => return Ok(None),
        Some(None) => database.across_tenants(Purpose::Work),
        Some(Some(organisation_id)) => database.tenant(organisation_id),
    };
    let tx = scope.transaction().await?;
    let (action, steered) = match act {
        Act::Retry => ("job.retry", jobs::retry(&tx, id).await?),
        Act::Cancel => ("job.cancel", jobs::cancel(&tx, id).await?),
    };
    if let (Some(Some(organisation_id)), Some(Steered { is_changed: true, state, .. })) = (owner, steered) {
        let resource = ("job", id.to_string());
        let event = AuditEvent {
            after: Some(json!({"state": state.as_str()})),
            ..AuditEvent::of_system(organisation_id, Uuid::now_v7(), action, resource)
        };
        audit::record(&tx, &[event]).await?;
    }
    tx.commit().await?;
    Ok(steered.map(|steered| (act, steered)))
}

/// Says where the job stands now.
fn report(id: Uuid, done: Option<(Act, Steered)>) -> anyhow::Result<ExitCode> {
    let Some((act, Steered { state, is_recurring, .. })) = done else {
        anyhow::bail!("there is no job {id}")
    };
    if is_recurring && matches!(act, Act::Cancel) {
        anyhow::bail!("job {id} comes again and again, and what it does is needed: it cannot be cancelled")
    }
    writeln!(io::stdout(), "Job {id} is {}.", state.as_str())?;
    let is_as_wanted = match act {
        Act::Retry => matches!(state, JobState::Waiting | JobState::Running),
        Act::Cancel => matches!(state, JobState::Cancelled | JobState::Running),
    };
    Ok(if is_as_wanted { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
