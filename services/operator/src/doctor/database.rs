//! The database, reached as the processes reach it: whether it answers, what stands in between, its copies, its schema, and what is in it
//! that somebody should see.

use std::time::Duration;

use firemode_runtime::settings::Settings;
use firemode_storage::pooler::{self, PoolerError};
use firemode_storage::replication::{self, Replication};
use firemode_storage::{Database, Purpose, StorageError, migrations};

use super::{Finding, Verdict, work};

/// All of it may take so long.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

/// A database that takes longer for nothing makes everything slow.
const LATENCY_MAX: Duration = Duration::from_millis(10);

/// A standby that is further behind loses much in a failover.
const BEHIND_SECONDS_MAX: f64 = 60.0;

pub(super) async fn examine(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    let looked = tokio::time::timeout(ANSWER_TIME_MAX, look(settings, &mut findings)).await;
    let why = match looked {
        Ok(Ok(())) => return findings,
        Ok(Err(error)) => error.to_string(),
        Err(_) => "it does not answer".to_owned(),
    };
    let words = format!(
        "{why}; see whether it runs and has room, and whether DATABASE_URL and the network to it are right"
    );
    findings.push(Finding::new("database", Verdict::Wrong, words));
    findings
}

async fn look(settings: &Settings, findings: &mut Vec<Finding>) -> Result<(), StorageError> {
    let database = Database::new(settings, 1)?;
    let latency = database.latency().await?;
    let verdict = if latency < LATENCY_MAX { Verdict::Well } else { Verdict::Watch };
    findings.push(Finding::new("database", verdict, format!("answers within {latency:.1?}")));
    findings.extend(pooler(settings).await?);
    let tx = database.without_tenant().read().await?;
    findings.push(copies(replication::find(&tx).await?));
    drop(tx);
    if !migrations::compatible(&database).await? {
        let words = "is not the one that this version needs: start FireMode, or `firemode migrate`";
        findings.push(Finding::new("schema", Verdict::Wrong, words));
        return Ok(());
    }
    let version = format!("version {}", migrations::embedded_version());
    findings.push(Finding::new("schema", Verdict::Well, version));
    let tx = database.across_tenants(Purpose::Work).read().await?;
    findings.extend(work::examine(settings, &tx).await?);
    Ok(())
}

/// Nothing stands before a database of our own.
async fn pooler(settings: &Settings) -> Result<Option<Finding>, StorageError> {
    if settings.uses_embedded_database() || !settings.database.prepared_statements {
        return Ok(None);
    }
    match pooler::check(settings).await {
        Ok(()) => {
            Ok(Some(Finding::new("pooler", Verdict::Well, "none, or one that keeps prepared statements")))
        }
        Err(PoolerError::Storage(error)) => Err(error),
        Err(error) => Ok(Some(Finding::new("pooler", Verdict::Wrong, error.to_string()))),
    }
}

fn copies(replication: Replication) -> Finding {
    let (verdict, words) = match replication {
        Replication::Standby { behind_seconds } => {
            let behind = behind_seconds.map_or_else(
                || "and has nothing of its primary yet".to_owned(),
                |seconds| format!("and its last transaction is {seconds:.0} s old"),
            );
            (
                Verdict::Wrong,
                format!(
                    "the database is a standby, {behind}: writes are refused; lead DATABASE_URL to the primary, or promote it"
                ),
            )
        }
        Replication::Primary { standbys: 0, .. } => (Verdict::Well, "no standby follows".to_owned()),
        Replication::Primary { standbys, behind_seconds: Some(seconds) } if seconds > BEHIND_SECONDS_MAX => (
            Verdict::Watch,
            format!(
                "{standbys} follow, up to {seconds:.0} s behind: a failover now would lose that much; see their load and network"
            ),
        ),
        Replication::Primary { standbys, behind_seconds: Some(seconds) } => {
            (Verdict::Well, format!("{standbys} follow, up to {seconds:.1} s behind"))
        }
        Replication::Primary { standbys, behind_seconds: None } => {
            (Verdict::Well, format!("{standbys} follow; the role sees no delay of theirs"))
        }
    };
    Finding::new("standbys", verdict, words)
}
