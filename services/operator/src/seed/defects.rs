//! What people make of the defects that the visits found.

use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::http::{Api, HttpError, field};
use super::plan::{TREATMENTS, Treatment};
use super::visit::{Crew, Site};
use super::{Added, SeedError};

/// The worker follows results within seconds.
const PATIENCE: Duration = Duration::from_secs(60);

const PAUSE: Duration = Duration::from_millis(200);

/// Takes defects of a building to where the plan wants them. What is further already stays as it is.
pub(super) fn all(crew: &Crew, site: &Site, added: &mut Added) -> Result<(), SeedError> {
    for (label, treatment) in TREATMENTS {
        let Some(asset) = site.assets.iter().find(|asset| asset["label"] == *label) else { continue };
        let defects = of_asset(&crew.admin, &site.building_id, field(asset, "id")?)?;
        added.acts += match treatment {
            Treatment::DeferredWithMeasure => defer(crew, &defects[0])?,
            Treatment::ClosedAndReopened => close_and_reopen(crew, &defects)?,
        };
    }
    Ok(())
}

/// The defects of an asset, as soon as there is one.
fn of_asset(api: &Api, building_id: &str, asset_id: &str) -> Result<Vec<Value>, SeedError> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let mut defects = api.all(&format!("/v1/defects?building_id={building_id}&sort=age"))?;
        defects.retain(|defect| defect["asset_id"] == asset_id);
        if !defects.is_empty() {
            return Ok(defects);
        }
        sleep(PAUSE);
    }
    Err(SeedError::NoDefect)
}

/// Gives how many acts that took.
fn defer(crew: &Crew, defect: &Value) -> Result<usize, HttpError> {
    let path = format!("/v1/defects/{}", field(defect, "id")?);
    let mut acts = 0;
    if defect["interim_measures"] == json!([]) {
        let measure = json!({"text": "The valve is locked open by hand and looked at each morning."});
        crew.admin.post(&format!("{path}/interim_measures"), &measure)?;
        acts += 1;
    }
    if defect["status"] == "open" {
        let deferral = json!({
            "to": "deferred", "until": "2099-06-30", "accepted_by": "The owners' committee",
            "reason": "The plumber's works end in June.",
        });
        crew.admin.post(&format!("{path}/transitions"), &deferral)?;
        acts += 1;
    }
    Ok(acts)
}

/// Gives how many acts that took.
fn close_and_reopen(crew: &Crew, defects: &[Value]) -> Result<usize, HttpError> {
    if defects.iter().any(|defect| !defect["reopens"].is_null()) {
        return Ok(0);
    }
    let Crew { admin, technician } = crew;
    let path = format!("/v1/defects/{}/transitions", field(&defects[0], "id")?);
    let steps = [
        ("open", technician, json!({"to": "repaired", "reason": "Twelve heads put into the cabinet."})),
        ("repaired", admin, json!({"to": "verified"})),
        ("verified", admin, json!({"to": "closed"})),
        (
            "closed",
            admin,
            json!({"to": "open", "reason": "Six of them were used, and none came after them."}),
        ),
    ];
    let done = steps.iter().position(|(from, ..)| defects[0]["status"] == *from).unwrap_or(steps.len());
    for (_, by, step) in &steps[done..] {
        by.post(&path, step)?;
    }
    Ok(steps.len() - done)
}
