//! The buildings of the demo organisation: their schedules, assets and baselines.

use serde_json::{Value, json};

use super::http::{Api, HttpError, field};
use super::plan::{AssetPlan, BASELINES, BuildingPlan, MeasurePlan};
use super::visit::Site;
use super::{Added, SeedError};

/// The building of a plan with its measures, assets and baselines, made where they are missing.
pub(super) fn site(admin: &Api, plan: &BuildingPlan, added: &mut Added) -> Result<Site, SeedError> {
    let building_id = building(admin, plan, added)?;
    let measures = measures(admin, &building_id, plan, added)?;
    let path = format!("/v1/buildings/{building_id}/assets");
    let labels: Vec<Value> = admin.all(&path)?.into_iter().map(|row| row["label"].clone()).collect();
    let is_missing = |asset: &&AssetPlan| !labels.iter().any(|label| label == asset.label);
    let asset = |asset: &AssetPlan| {
        let measure = plan.measures.iter().find(|measure| measure.section == asset.section);
        let measure = measures.iter().find(|row| measure.is_some_and(|measure| row["name"] == measure.name));
        json!({
            "item_code": asset.item_code, "section": asset.section, "label": asset.label, "location": asset.location,
            "installed_on": plan.installed_on, "measure_id": measure.map(|row| &row["id"]),
        })
    };
    let missing: Vec<Value> = plan.assets.iter().filter(is_missing).map(asset).collect();
    if !missing.is_empty() {
        added.assets += missing.len();
        admin.post(&path, &json!(missing))?;
    }
    let assets = admin.all(&path)?;
    baselines(admin, &path, plan, &assets, added)?;
    Ok(Site { building_id, assets })
}

fn building(admin: &Api, plan: &BuildingPlan, added: &mut Added) -> Result<String, HttpError> {
    let known = admin.all("/v1/buildings")?;
    let is_it = |row: &&Value| row["site_name"] == plan.site_name && row["site_address"] == plan.site_address;
    if let Some(row) = known.iter().find(is_it) {
        return Ok(field(row, "id")?.to_owned());
    }
    added.buildings += 1;
    let body = json!({
        "site_name": plan.site_name, "site_address": plan.site_address, "building_class": plan.building_class,
        "jurisdiction": plan.jurisdiction, "metadata": {"storeys": plan.storeys},
    });
    Ok(field(&admin.post("/v1/buildings", &body)?, "id")?.to_owned())
}

/// All measures of a building.
fn measures(
    admin: &Api,
    building_id: &str,
    plan: &BuildingPlan,
    added: &mut Added,
) -> Result<Vec<Value>, HttpError> {
    let path = format!("/v1/buildings/{building_id}/measures");
    let mut measures = admin.all(&path)?;
    for MeasurePlan { name, section, standard_of_performance, maintenance_standard, solution } in
        plan.measures
    {
        if measures.iter().any(|row| row["name"] == *name) {
            continue;
        }
        let solution = solution.map(|(reference, low, critical)| {
            let limits = json!([
                {"min": low, "condition": "flow_low"}, {"min": critical, "classification": "critical_defect"}]);
            json!({"reference": reference, "overrides": {
                "frequency": ["six_monthly", "yearly"],
                "limits": {"HYD-FLOW": {"flow_measured": {"unit": "L/s", "limits": limits}}}}})
        });
        let body = json!({
            "name": name, "section": section, "standard_of_performance": standard_of_performance,
            "maintenance_standard": maintenance_standard, "performance_solution": solution,
        });
        measures.push(admin.post(&path, &body)?);
        added.measures += 1;
    }
    Ok(measures)
}

/// What some of the assets' values were when they were put in; that of others is missing.
fn baselines(
    admin: &Api,
    assets_path: &str,
    plan: &BuildingPlan,
    assets: &[Value],
    added: &mut Added,
) -> Result<(), HttpError> {
    for asset in assets {
        let of_code = BASELINES.iter().find(|(item_code, ..)| asset["item_code"] == *item_code);
        let Some((_, quantity, value, unit)) = of_code else { continue };
        let path = format!("{assets_path}/{}/baseline", field(asset, "id")?);
        if admin.all(&format!("{path}/versions"))?.is_empty() {
            let body = json!({
                "values": {*quantity: {"value": value, "unit": unit}}, "source": "Commissioning record",
                "valid_from": plan.installed_on,
            });
            admin.put(&path, &body)?;
            added.baselines += 1;
        }
    }
    Ok(())
}
