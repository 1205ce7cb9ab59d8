//! The rules that the product ships, as data in the `rules/` folder of this crate.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::problem::Invalid;
use super::rule::Rule;

/// The published JSON Schema (2020-12) of a `rule_schema`, as text.
///
/// It says what can be said about one field at a time. References between fields (a limit or predicate that names a
/// condition, a name used twice) are checked by [`super::RuleSchema::parse`] alone.
pub const RULE_JSON_SCHEMA: &str = include_str!("../../rules/rule_schema.schema.json");

const FILES: [&str; 13] = [
    include_str!("../../rules/02_sprinklers.json"),
    include_str!("../../rules/03_pumpsets.json"),
    include_str!("../../rules/04_hydrants.json"),
    include_str!("../../rules/05_water_storage_tanks.json"),
    include_str!("../../rules/06_detection_and_alarm.json"),
    include_str!("../../rules/07_special_hazard.json"),
    include_str!("../../rules/08_lay_flat_hoses.json"),
    include_str!("../../rules/09_hose_reels.json"),
    include_str!("../../rules/10_portable_extinguishers.json"),
    include_str!("../../rules/11_fire_blankets.json"),
    include_str!("../../rules/12_passive_elements.json"),
    include_str!("../../rules/13_smoke_control.json"),
    include_str!("../../rules/14_emergency_planning.json"),
];

static SHIPPED: LazyLock<(Vec<Rule>, Vec<Provenance>)> = LazyLock::new(|| {
    FILES
        .into_iter()
        .flat_map(|file| read_file(file).expect("the embedded rules are valid, a test reads them"))
        .unzip()
});

/// Where a shipped rule comes from, and how far it is to be trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// What it is: a sample, which an organisation replaces by a rule of its own.
    #[schema(example = "sample")]
    pub kind: String,
    /// On what it rests.
    #[schema(example = "our own judgement")]
    pub source: String,
    /// How sure that is: `high`, `medium` or `low`.
    #[schema(example = "low")]
    pub confidence: String,
    /// What is to be done before anybody relies on it.
    #[schema(example = "to be reviewed by a practitioner")]
    pub review: String,
}

/// Every rule that the product ships, ordered by section; active, and of no organisation.
pub fn shipped_rules() -> &'static [Rule] {
    &SHIPPED.0
}

/// Where each of [`shipped_rules`] comes from, in the same order.
pub fn provenances() -> &'static [Provenance] {
    &SHIPPED.1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    rule_code: String,
    version: String,
    provenance: Provenance,
    rule_schema: Value,
}

#[derive(Debug, thiserror::Error)]
enum FileError {
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error("{code}: {invalid}")]
    Rule { code: String, invalid: Invalid },
}

fn read_file(file: &str) -> Result<Vec<(Rule, Provenance)>, FileError> {
    serde_json::from_str::<Vec<Entry>>(file)?
        .into_iter()
        .map(|Entry { rule_code, version, provenance, rule_schema }| {
            let rule = Rule::parse(&rule_code, &version, rule_schema, None);
            let rule = rule.map_err(|invalid| FileError::Rule { code: rule_code, invalid })?;
            Ok((rule, provenance))
        })
        .collect()
}
