//! The database, the store of evidence and the receiver of traces, reached as the processes reach them.

use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use firemode_runtime::settings::{EvidencePlace, Settings};
use firemode_storage::evidence_store::EvidenceStore;
use firemode_storage::{Database, Purpose, StorageError, migrations};

use super::{Finding, Verdict, work};

/// How long each may take.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

/// A database that takes longer for nothing makes everything slow.
const LATENCY_MAX: Duration = Duration::from_millis(10);

/// A database of our own is there only while FireMode runs.
pub(super) async fn examine(settings: &Settings, runs: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    if runs || !settings.uses_embedded_database() {
        findings.extend(database(settings).await);
        findings.extend(evidence(settings).await);
    }
    findings.extend(traces(settings));
    findings
}

async fn database(settings: &Settings) -> Vec<Finding> {
    let looked = tokio::time::timeout(ANSWER_TIME_MAX, look(settings)).await;
    match looked {
        Ok(Ok(findings)) => findings,
        Ok(Err(error)) => vec![Finding::new("database", Verdict::Wrong, unreachable(&error.to_string()))],
        Err(_) => vec![Finding::new("database", Verdict::Wrong, unreachable("it does not answer"))],
    }
}

fn unreachable(why: &str) -> String {
    format!(
        "{why}; see whether it runs and has room, and whether DATABASE_URL and the network to it are right"
    )
}

async fn look(settings: &Settings) -> Result<Vec<Finding>, StorageError> {
    let database = Database::new(settings, 1)?;
    let latency = database.latency().await?;
    let verdict = if latency < LATENCY_MAX { Verdict::Well } else { Verdict::Watch };
    let mut findings = vec![Finding::new("database", verdict, format!("answers within {latency:.1?}"))];
    if !migrations::compatible(&database).await? {
        let words = "is not the one that this version needs: start FireMode, or `firemode migrate`";
        findings.push(Finding::new("schema", Verdict::Wrong, words));
        return Ok(findings);
    }
    findings.push(Finding::new(
        "schema",
        Verdict::Well,
        format!("version {}", migrations::embedded_version()),
    ));
    let tx = database.across_tenants(Purpose::Work).read().await?;
    findings.extend(work::examine(settings, &tx).await?);
    Ok(findings)
}

async fn evidence(settings: &Settings) -> Vec<Finding> {
    let is_folder = matches!(
        EvidencePlace::parse(&settings.evidence.url, &settings.data_dir),
        Ok(EvidencePlace::Folder(_))
    );
    if is_folder && !settings.data_dir.is_dir() {
        return Vec::new();
    }
    let list = async {
        let database = Database::new(settings, 1)?;
        EvidenceStore::open(settings, &database)?.is_empty().await
    };
    let found = match tokio::time::timeout(ANSWER_TIME_MAX, list).await {
        Ok(Ok(_)) => Finding::new("evidence", Verdict::Well, "its store can be listed"),
        Ok(Err(error)) => {
            Finding::new("evidence", Verdict::Wrong, format!("{error}; see evidence.url and its credentials"))
        }
        Err(_) => Finding::new(
            "evidence",
            Verdict::Wrong,
            "its store does not answer; see evidence.url and the network to it",
        ),
    };
    vec![found]
}

/// The receiver is asked for a connection and nothing more.
fn traces(settings: &Settings) -> Option<Finding> {
    let endpoint = settings.tracing.otlp_endpoint.as_str();
    let (scheme, rest) = endpoint.split_once("://")?;
    let authority = rest.split('/').next().unwrap_or_default();
    let port = if scheme == "https" { 443 } else { 80 };
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let address = if has_port { authority.to_owned() } else { format!("{authority}:{port}") };
    let mut addresses = address.to_socket_addrs().into_iter().flatten();
    let is_there = addresses.any(|address| TcpStream::connect_timeout(&address, ANSWER_TIME_MAX / 4).is_ok());
    Some(match is_there {
        true => Finding::new("traces", Verdict::Well, "their receiver takes connections"),
        false => Finding::new(
            "traces",
            Verdict::Watch,
            format!("nobody takes them at {address}: they are lost, and nothing else"),
        ),
    })
}
