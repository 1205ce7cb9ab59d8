//! Fills the demo organisation, through the public API of a running FireMode.

mod defects;
mod device;
mod http;
mod photographs;
mod plan;
mod register;
mod rules;
mod visit;

use firemode_domain::role::Role;
use firemode_runtime::demo::{ADMIN_ID, TECHNICIAN_ID};
use firemode_runtime::settings::Settings;
use firemode_storage::{Database, StorageError};

use crate::demo::{self, DemoError};
use http::Api;
pub use http::HttpError;
use plan::BUILDINGS;
use visit::Crew;

/// The demo data could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The organisation itself is missing, or may not be.
    #[error(transparent)]
    Demo(#[from] DemoError),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The API refused a request or does not answer.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// Another `firemode seed` is at work.
    #[error("another `firemode seed` is filling the demo organisation right now; wait for it")]
    Busy,
    /// A fault was found, and no defect follows from it.
    #[error("no defect follows from what was found; is the worker running? `firemode status` says")]
    NoDefect,
    /// Automerge refused an edit of the demo's own.
    #[error("a demo device cannot edit its document: {0}")]
    Document(#[from] automerge::AutomergeError),
}

/// What was added.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Added {
    pub buildings: usize,
    /// Measures of their schedules.
    pub measures: usize,
    /// Assets in them.
    pub assets: usize,
    /// Baselines of some of those.
    pub baselines: usize,
    /// Test sessions.
    pub sessions: usize,
    /// Results (Automerge changes and JSON operations).
    pub results: usize,
    pub photographs: usize,
    /// Classified faults.
    pub classifications: usize,
    /// What was done about defects.
    pub acts: usize,
    /// Rules of its own.
    pub rules: usize,
}

impl Added {
    /// Was everything there already?
    #[must_use]
    pub fn nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// Fills the demo organisation with what is missing: buildings with their schedules, assets and baselines in every section of the
/// standard, and test sessions in every state with results, conflicts, held and late work, faults, and photographs; defects that are
/// deferred, closed and reopened; and a rule of its own with a report on what it would have changed.
///
/// What is there already stays as it is, so a second run adds nothing. A session whose making was cut off is cancelled, and
/// made again.
///
/// # Errors
/// [`SeedError`]; what was added until then stays, and the next run goes on from there.
pub async fn run(settings: &Settings, base_url: &str) -> Result<Added, SeedError> {
    demo::open(settings).await?;
    let tx = Database::new(settings, 1)?.without_tenant().transaction().await?;
    if !firemode_storage::demo::try_lock_seed(&tx).await? {
        return Err(SeedError::Busy);
    }
    let crew = Crew {
        admin: Api::new(base_url, demo::issue(settings, ADMIN_ID, Role::Admin).await?),
        technician: Api::new(base_url, demo::issue(settings, TECHNICIAN_ID, Role::Technician).await?),
    };
    crew.admin.wait_until_ready()?;
    let mut added = Added::default();
    for plan in BUILDINGS {
        let site = register::site(&crew.admin, plan, &mut added)?;
        visit::all(&crew, &site, plan, &mut added)?;
        defects::all(&crew, &site, &mut added)?;
    }
    // Last, so that the visits were classified by shipped rules alone, and the report has something to say.
    added.rules = rules::own(&crew.admin)?;
    tx.commit().await?;
    Ok(added)
}
