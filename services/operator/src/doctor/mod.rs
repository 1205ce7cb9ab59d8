//! Looks at an appliance from outside, and says what is wrong and what to do. It changes nothing.

mod appliance;
mod database;
mod stores;
mod work;

use std::fmt;

use firemode_runtime::disk::{self, Room};
use firemode_runtime::settings::Settings;

/// PostgreSQL does not start with less, and a start of ours refuses it.
const DISK_BYTES_MIN: u64 = 64 << 20;

/// Less is a reason to look.
const DISK_BYTES_LOW: u64 = 1 << 30;

/// What was found about one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub subject: String,
    /// How it is.
    pub verdict: Verdict,
    /// What was seen, and what to do about it.
    pub words: String,
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Nothing to do.
    Well,
    /// Nothing is broken yet.
    Watch,
    /// Somebody has to do something.
    Wrong,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Well => "well",
            Self::Watch => "watch",
            Self::Wrong => "WRONG",
        })
    }
}

impl Finding {
    fn new(subject: impl Into<String>, verdict: Verdict, words: impl Into<String>) -> Self {
        Self { subject: subject.into(), verdict, words: words.into() }
    }
}

/// Looks at everything: the data folder and its disk, the processes, what they say of themselves, the database, jobs and
/// backups, the store of evidence and the receiver of traces.
pub async fn examine(settings: &Settings) -> Vec<Finding> {
    let mut findings = vec![folder(settings), disk_of(settings)];
    let (runs, of_processes) = appliance::examine(settings);
    findings.extend(of_processes);
    // A database of our own is there only while FireMode runs.
    if runs || !settings.uses_embedded_database() {
        findings.extend(database::examine(settings).await);
        findings.extend(stores::evidence(settings).await);
    }
    findings.extend(stores::traces(settings));
    findings
}

fn folder(settings: &Settings) -> Finding {
    let path = settings.data_dir.display();
    if settings.data_dir.is_dir() {
        Finding::new("data folder", Verdict::Well, path.to_string())
    } else {
        let words = format!(
            "there is no {path}: nothing was started here yet, it was removed, or FIREMODE_DATA_DIR is another one"
        );
        Finding::new("data folder", Verdict::Watch, words)
    }
}

fn disk_of(settings: &Settings) -> Finding {
    let Room { free_bytes, bytes } = match disk::room(&settings.data_dir) {
        Ok(room) => room,
        Err(error) => return Finding::new("disk", Verdict::Watch, format!("its room is not known: {error}")),
    };
    let room = format!("{} of {} MiB are free", free_bytes >> 20, bytes >> 20);
    match free_bytes {
        ..DISK_BYTES_MIN => {
            let words = format!(
                "{room}: an embedded database does not start, and evidence is refused; make room there"
            );
            Finding::new("disk", Verdict::Wrong, words)
        }
        DISK_BYTES_MIN..DISK_BYTES_LOW => {
            Finding::new("disk", Verdict::Watch, format!("{room}: make room there soon"))
        }
        _ => Finding::new("disk", Verdict::Well, room),
    }
}
