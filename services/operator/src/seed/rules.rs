//! A rule of the demo organisation's own, and a report on what it would have changed.

use serde_json::{Value, json};

use super::SeedError;
use super::http::Api;

/// A rule that is shipped; the demo organisation's own stands before it.
const RULE_CODE: &str = "AS1851-10-EXT-PRESSURE";

/// Of the own version.
const VERSION: &str = "2.0.0";

/// Makes the rule and asks for the report, where they are missing. Returns how many rules were made.
pub(super) fn own(admin: &Api) -> Result<usize, SeedError> {
    let known = admin.all("/v1/rules?origin=own")?;
    let is_missing = !known.iter().any(|rule| rule["rule_code"] == RULE_CODE);
    if is_missing {
        admin.post("/v1/rules", &rule(admin)?)?;
    }
    let jobs = admin.all("/v1/jobs")?;
    if !jobs.iter().any(|job| job["kind"] == "rule_impact") {
        let asked = json!({
            "rule_code": RULE_CODE, "version": VERSION, "from": "2020-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z",
        });
        admin.post("/v1/rules/impact", &asked)?;
    }
    Ok(usize::from(is_missing))
}

/// The shipped rule, but that an extinguisher without pressure is a critical defect wherever it stands.
fn rule(admin: &Api) -> Result<Value, SeedError> {
    let mut schema = admin.get(&format!("/v1/rules/{RULE_CODE}"))?["rule_schema"].take();
    schema["conditions"]["pressure_low"] = json!({
        "classification": "critical_defect", "note": "In our buildings no extinguisher is spare.",
    });
    Ok(json!({"rule_code": RULE_CODE, "version": VERSION, "rule_schema": schema}))
}
