//! Figures of the record and of evidence for Prometheus: of all instances together, as the database keeps them.

use std::time::{Duration, Instant};

use firemode_storage::record_figures::{self, RecordFigures};
use firemode_storage::{Database, Purpose, StorageError};
use metrics::{describe_gauge, gauge};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::metrics::whole;

const UNMERGED: &str = "firemode_changes_unmerged";
const FILES: &str = "firemode_evidence_stored_files";
const BYTES: &str = "firemode_evidence_stored_bytes";

/// The database is asked once in so long, however often the figures are read.
const PAUSE: Duration = Duration::from_secs(15);

/// A reader of the figures does not wait longer for these.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// When the database was asked last.
#[derive(Debug, Default)]
pub struct AskedForRecord(Mutex<Option<Instant>>);

impl AskedForRecord {
    /// Sets the figures to what they are now, unless that was done a moment ago; where the database does not say, they stay what they were.
    pub async fn set_figures(&self, database: &Database) {
        let mut asked = self.0.lock().await;
        if asked.is_some_and(|asked| asked.elapsed() < PAUSE) {
            return;
        }
        *asked = Some(Instant::now());
        match timeout(ANSWER_WITHIN, ask(database)).await {
            Ok(Ok(figures)) => set(&figures),
            Ok(Err(error)) => tracing::debug!(%error, "the figures of the record are those of before"),
            Err(_) => {
                tracing::debug!("the figures of the record are those of before: the database takes its time");
            }
        }
    }
}

async fn ask(database: &Database) -> Result<RecordFigures, StorageError> {
    record_figures::find(&database.across_tenants(Purpose::Work).read().await?).await
}

fn set(figures: &RecordFigures) {
    let as_gauge = |count: i64| whole(usize::try_from(count).unwrap_or_default());
    let RecordFigures { held, quarantined, late, evidence_files, evidence_bytes } = *figures;
    for (standing, count) in [("held", held), ("quarantined", quarantined), ("late", late)] {
        gauge!(UNMERGED, "standing" => standing).set(as_gauge(count));
    }
    gauge!(FILES).set(as_gauge(evidence_files));
    gauge!(BYTES).set(as_gauge(evidence_bytes));
}

/// Says what they are.
pub fn describe_record_figures() {
    describe_gauge!(
        UNMERGED,
        "Changes of all sessions that are stored and not merged now, by why: they wait for others (held), would damage the document \
         (quarantined), or came after the completion and are not decided about (late)."
    );
    describe_gauge!(FILES, "Files of evidence that are stored.");
    describe_gauge!(BYTES, "Bytes of evidence that are stored.");
}
