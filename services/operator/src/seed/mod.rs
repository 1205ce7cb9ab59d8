//! Fills the demo organisation, through the public API of a running FireMode.

mod device;
mod http;
mod photographs;
mod plan;
mod visit;

use firemode_domain::role::Role;
use firemode_runtime::demo::{ADMIN_ID, TECHNICIAN_ID};
use firemode_runtime::settings::Settings;
use firemode_storage::{Database, StorageError};
use serde_json::{Value, json};

use crate::demo::{self, DemoError};
pub use http::HttpError;
use http::{Api, field};
use plan::{BUILDINGS, BuildingPlan};
use visit::{Crew, Site};

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
    /// Automerge refused an edit of the demo's own.
    #[error("a demo device cannot edit its document: {0}")]
    Document(#[from] automerge::AutomergeError),
}

/// What was added.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Added {
    pub buildings: usize,
    /// Assets in them.
    pub assets: usize,
    /// Test sessions.
    pub sessions: usize,
    /// Results (Automerge changes and JSON operations).
    pub results: usize,
    pub photographs: usize,
    /// Classified faults.
    pub classifications: usize,
}

impl Added {
    /// Was everything there already?
    #[must_use]
    pub fn nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// Fills the demo organisation with what is missing: buildings, assets in every section of the standard, and test sessions
/// in every state with results, conflicts, held and late work, faults, and photographs.
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
        let site = site(&crew.admin, plan, &mut added)?;
        visit::all(&crew, &site, plan, &mut added)?;
    }
    tx.commit().await?;
    Ok(added)
}

/// The building of a plan with its assets, made where they are missing.
fn site(admin: &Api, plan: &BuildingPlan, added: &mut Added) -> Result<Site, SeedError> {
    let known = admin.all("/v1/buildings")?;
    let is_it = |row: &&Value| row["site_name"] == plan.site_name && row["site_address"] == plan.site_address;
    let building_id = match known.iter().find(is_it) {
        Some(row) => field(row, "id")?.to_owned(),
        None => {
            added.buildings += 1;
            let body = json!({
                "site_name": plan.site_name, "site_address": plan.site_address,
                "building_class": plan.building_class, "metadata": {"storeys": plan.storeys},
            });
            field(&admin.post("/v1/buildings", &body)?, "id")?.to_owned()
        }
    };
    let path = format!("/v1/buildings/{building_id}/assets");
    let labels: Vec<Value> = admin.all(&path)?.into_iter().map(|row| row["label"].clone()).collect();
    let missing: Vec<Value> = plan
        .assets
        .iter()
        .filter(|asset| !labels.iter().any(|label| label == asset.label))
        .map(|asset| {
            json!({
                "item_code": asset.item_code, "section": asset.section, "label": asset.label,
                "location": asset.location, "installed_on": plan.installed_on,
            })
        })
        .collect();
    if !missing.is_empty() {
        added.assets += missing.len();
        admin.post(&path, &json!(missing))?;
    }
    Ok(Site { building_id, assets: admin.all(&path)? })
}
