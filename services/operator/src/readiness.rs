//! What a running FireMode says about whether it can do its work.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use ureq::Agent;

/// It answers within two seconds, whatever hangs.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);

const ANSWER_BYTES_MAX: u64 = 64 << 10;

/// The answer of `GET /health/ready`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// Is every check true, and are all routes open?
    pub ready: bool,
    /// The checks by name.
    pub checks: BTreeMap<String, bool>,
}

impl Readiness {
    /// Asks the server that listens on an address of this machine.
    ///
    /// # Errors
    /// In plain words, why there is no answer.
    pub fn ask(listening: &str) -> Result<Self, String> {
        let at = listening.replace("0.0.0.0", "127.0.0.1").replace("[::]", "[::1]");
        let config =
            Agent::config_builder().http_status_as_error(false).timeout_global(Some(ANSWER_TIME_MAX)).build();
        let agent: Agent = config.into();
        let mut answer =
            agent.get(format!("http://{at}/health/ready")).call().map_err(|error| error.to_string())?;
        let text = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
        let text = text.map_err(|error| error.to_string())?;
        // While the API is down, whoever answers in its place says so.
        serde_json::from_str(&text).map_err(|_| format!("{at} is answered with {}", answer.status()))
    }

    /// The checks that are false, each with what that means and what to do.
    pub fn faults(&self) -> impl Iterator<Item = (&str, &'static str)> {
        self.checks.iter().filter(|(_, is_true)| !**is_true).map(|(name, _)| (name.as_str(), advice(name)))
    }
}

fn advice(check: &str) -> &'static str {
    match check {
        "database" => {
            "the database does not answer or takes no writes: see whether it runs, has room, and is the primary"
        }
        "ingest_service" => "the ingest process does not answer: `firemode logs ingest` says why",
        "rtl_enabled" => {
            "the list of revoked tokens cannot be read, so nobody is let in: it comes from the database"
        }
        "migrations" => {
            "the database does not have the schema of this version: `firemode logs migrate` says why"
        }
        "performance" => "the database answers slowly: see its load, its disk and the network to it",
        _ => "docs/operations.md",
    }
}
