//! Jobs, and the backups and defects that two of them make.

use firemode_runtime::settings::{Schedule, Settings};
use firemode_storage::jobs;
use firemode_storage::observed::{self, Failing};
use firemode_storage::{Executor, StorageError};
use time::{Duration, OffsetDateTime};

use super::{Finding, Verdict};

/// A backup that is due may take so long.
const TIME_MAX: Duration = Duration::HOUR;

pub(super) async fn examine(settings: &Settings, on: &impl Executor) -> Result<Vec<Finding>, StorageError> {
    let figures = jobs::figures(on).await?;
    let of = |kind: &str, count: i64, words: &str| {
        let words = format!("{count} of the kind {kind} {words}");
        (count > 0).then(|| Finding::new("jobs", Verdict::Watch, words))
    };
    let given_up = "were given up: `firemode jobs list --state failed` says why, `jobs retry` tries again";
    let retrying = "failed and are tried again: `firemode jobs list --state waiting` says why";
    let mut findings: Vec<Finding> = figures
        .iter()
        .flat_map(|job| [of(&job.kind, job.failed, given_up), of(&job.kind, job.retrying, retrying)])
        .flatten()
        .collect();
    if findings.is_empty() {
        findings.push(Finding::new("jobs", Verdict::Well, "none has failed"));
    }
    findings.push(backups(settings, on).await?);
    findings.push(defects(on).await?);
    Ok(findings)
}

async fn defects(on: &impl Executor) -> Result<Finding, StorageError> {
    Ok(match observed::failing(on).await? {
        None => Finding::new("defects", Verdict::Well, "those of all sessions are followed"),
        Some(Failing { sessions, error }) => {
            let words = format!(
                "those of {sessions} sessions are not followed (`firemode project --rebuild` names them), because: {error}"
            );
            Finding::new("defects", Verdict::Watch, words)
        }
    })
}

async fn backups(settings: &Settings, on: &impl Executor) -> Result<Finding, StorageError> {
    let finding = |verdict, words| Ok(Finding::new("backups", verdict, words));
    let Ok(schedule) = Schedule::parse(&settings.backup.schedule) else {
        return finding(Verdict::Well, "none are made by themselves: backup.schedule is empty".to_owned());
    };
    let (last, now) = (jobs::last_backup_begun_at(on).await?, OffsetDateTime::now_utc());
    let known = match last {
        Some(last) => format!("the last one that is whole is {} hours old", (now - last).whole_hours()),
        None => "there is none yet".to_owned(),
    };
    if !schedule.is_due(last, now) {
        return finding(Verdict::Well, known);
    }
    let job = jobs::newest(on, None, Some("backup"), 1).await?.pop();
    match job.and_then(|job| job.last_error) {
        Some(why) => {
            finding(Verdict::Wrong, format!("{known}; the next one failed and is tried again: {why}"))
        }
        None if last.is_some() && schedule.is_due(last, now - TIME_MAX) => {
            finding(Verdict::Wrong, format!("{known}, and one is overdue: `firemode logs worker` says more"))
        }
        None => finding(Verdict::Watch, format!("{known}; one is due")),
    }
}
