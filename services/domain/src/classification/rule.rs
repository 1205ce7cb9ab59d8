//! A rule with its code and version, and which of several applies.

use semver::Version;
use serde_json::Value;
use uuid::Uuid;

use super::parse::{CODE_RULE, is_code};
use super::problem::{Invalid, RuleProblems};
use super::schema::RuleSchema;

/// One version of one rule. A version never changes once it is made; it can only be deactivated.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Code of the rule, such as `AS1851-10-EXT-PRESSURE`; the same in all its versions.
    pub code: String,
    /// Semantic version.
    pub version: Version,
    /// How it classifies.
    pub schema: RuleSchema,
    /// Whether this version is in use.
    pub is_active: bool,
    /// The organisation whose rule it is; `None` for a rule that the product ships.
    pub organisation_id: Option<Uuid>,
}

impl Rule {
    /// Reads a new, active rule, as a customer posts it.
    ///
    /// # Errors
    /// Every problem of `rule_code`, `version` and `rule_schema` at once.
    pub fn parse(
        rule_code: &str,
        version: &str,
        rule_schema: Value,
        organisation_id: Option<Uuid>,
    ) -> Result<Self, Invalid> {
        let mut problems = RuleProblems::default();
        if !is_code(rule_code) {
            problems.add("rule_code", CODE_RULE);
        }
        let version = version
            .parse::<Version>()
            .map_err(|error| problems.add("version", format_args!("must be a semantic version: {error}")))
            .ok();
        let schema = super::parse::rule_schema_into(rule_schema, &mut problems);
        let rule = version.zip(schema).map(|(version, schema)| Self {
            code: rule_code.to_owned(),
            version,
            schema,
            is_active: true,
            organisation_id,
        });
        problems.into_result(rule)
    }

    /// Order of versions: semantic precedence (a pre-release before its release), build metadata as a tie-break;
    /// of two equal versions the organisation's own rule is the later one.
    fn precedence(&self) -> (&Version, bool) {
        (&self.version, self.organisation_id.is_some())
    }
}

/// The latest of some versions of one rule: the highest active one by semantic precedence, never by text.
///
/// `None` when no version is active.
pub fn latest<'a>(versions: impl IntoIterator<Item = &'a Rule>) -> Option<&'a Rule> {
    versions.into_iter().filter(|rule| rule.is_active).max_by_key(|rule| rule.precedence())
}

/// The rule that classifies an item, out of all the rules that an organisation can see.
///
/// Only the latest active version of each code counts, so a newer version that no longer covers an item retires the
/// older one for it. Where rules of different codes cover the same item, the organisation's own rule is chosen before
/// one that is shipped, and then the code that sorts first, so that the answer never depends on the order of
/// `rules`. `None` when no rule covers the item.
pub fn rule_for_item<'a>(rules: impl IntoIterator<Item = &'a Rule>, item_code: &str) -> Option<&'a Rule> {
    let mut latest_by_code = std::collections::BTreeMap::<&str, &Rule>::new();
    for rule in rules.into_iter().filter(|rule| rule.is_active) {
        let current = latest_by_code.entry(&rule.code).or_insert(rule);
        if current.precedence() < rule.precedence() {
            *current = rule;
        }
    }
    latest_by_code
        .into_values()
        .filter(|rule| rule.schema.covers(item_code))
        .min_by_key(|rule| rule.organisation_id.is_none())
}
