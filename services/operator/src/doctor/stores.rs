//! The store of evidence and the receiver of traces, reached as the processes reach them.

use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use firemode_runtime::settings::{EvidencePlace, Settings};
use firemode_storage::Database;
use firemode_storage::evidence_store::EvidenceStore;

use super::{Finding, Verdict};

/// How long each may take.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

pub(super) async fn evidence(settings: &Settings) -> Option<Finding> {
    let is_folder = matches!(
        EvidencePlace::parse(&settings.evidence.url, &settings.data_dir),
        Ok(EvidencePlace::Folder(_))
    );
    if is_folder && !settings.data_dir.is_dir() {
        return None;
    }
    let list = async {
        let database = Database::new(settings, 1)?;
        EvidenceStore::open(settings, &database)?.is_empty().await
    };
    Some(match tokio::time::timeout(ANSWER_TIME_MAX, list).await {
        Ok(Ok(_)) => Finding::new("evidence", Verdict::Well, "its store can be listed"),
        Ok(Err(error)) => {
            Finding::new("evidence", Verdict::Wrong, format!("{error}; see evidence.url and its credentials"))
        }
        Err(_) => Finding::new(
            "evidence",
            Verdict::Wrong,
            "its store does not answer; see evidence.url and the network to it",
        ),
    })
}

/// The receiver is asked for a connection and nothing more.
pub(super) fn traces(settings: &Settings) -> Option<Finding> {
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
