//! A rule with its code and version, and which of several applies.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use time::{Date, OffsetDateTime};
use utoipa::ToSchema;
use uuid::Uuid;

use super::code::{RuleCode, RuleVersion};
use super::problem::{Invalid, RuleProblems};
use super::schema::RuleSchema;
use crate::audit::canonical_json;
use crate::place::{Jurisdiction, Place};

/// One version of one rule. A version never changes once it is made; each organisation says for itself whether it is active.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Names the version where it is stored; `None`: it is not.
    pub id: Option<Uuid>,
    /// SHA-256, in hex, of the canonical JSON (RFC 8785) of `rule_code`, `version` and `rule_schema`: of all that gives a class.
    pub digest: String,
    /// Code of the rule, such as `AS1851-10-EXT-PRESSURE`; the same in all its versions.
    pub code: String,
    /// Semantic version.
    pub version: Version,
    /// How it classifies.
    pub schema: RuleSchema,
    /// Whether the organisation uses this version.
    pub is_active: bool,
    /// The organisation whose rule it is; `None` for a rule that the product ships.
    pub organisation_id: Option<Uuid>,
    /// The first day on which it may decide; `None`: any day.
    pub effective_from: Option<Date>,
    /// Where it may decide; `None`: anywhere.
    pub jurisdiction: Option<Jurisdiction>,
}

time::serde::format_description!(iso_date, Date, "[year]-[month]-[day]");

/// When and where a rule is to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Occasion {
    /// The day at the building.
    #[serde(with = "iso_date")]
    #[schema(value_type = String, format = Date, example = "2026-11-30")]
    pub day: Date,
    /// The building's jurisdiction.
    #[schema(required = true, example = "NSW")]
    pub jurisdiction: Option<Jurisdiction>,
}

impl Occasion {
    /// A moment at a place.
    pub fn at(place: &Place, at: OffsetDateTime) -> Self {
        Self { day: place.day(at), jurisdiction: place.jurisdiction }
    }
}

impl Rule {
    /// Reads a new, active rule, as a customer posts it: for any day and place.
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
        let code = rule_code.parse::<RuleCode>().map_err(|error| problems.add("/rule_code", error)).ok();
        let version = version.parse::<RuleVersion>().map_err(|error| problems.add("/version", error)).ok();
        let schema = super::parse::rule_schema_into(rule_schema, &mut problems);
        let read = code.zip(version).zip(schema);
        problems.into_result(
            read.map(|((code, version), schema)| Self::new(code, version, schema, organisation_id)),
        )
    }

    /// A new, active rule, for any day and place.
    pub fn new(
        RuleCode(code): RuleCode,
        RuleVersion(version): RuleVersion,
        schema: RuleSchema,
        organisation_id: Option<Uuid>,
    ) -> Self {
        let (id, effective_from, jurisdiction) = (None, None, None);
        let digest = digest(&code, &version, &schema);
        Self {
            id,
            digest,
            code,
            version,
            schema,
            is_active: true,
            organisation_id,
            effective_from,
            jurisdiction,
        }
    }

    /// May it decide?
    fn is_for(&self, occasion: Occasion) -> bool {
        self.is_active
            && self.effective_from.is_none_or(|from| from <= occasion.day)
            && (self.jurisdiction.is_none() || self.jurisdiction == occasion.jurisdiction)
    }

    /// Which of several that may decide does: the organisation's own before one that is shipped, then one for the jurisdiction before
    /// a general one, then the highest version by semantic precedence (a pre-release before its release; build metadata breaks a tie).
    fn rank(&self) -> (bool, bool, &Version) {
        (self.organisation_id.is_some(), self.jurisdiction.is_some(), &self.version)
    }

    /// The same among rules of different codes.
    fn rank_among_codes(&self) -> ((bool, bool, &Version), Reverse<&str>) {
        (self.rank(), Reverse(&self.code))
    }
}

fn digest(code: &str, version: &Version, schema: &RuleSchema) -> String {
    let canonical = json!({"rule_code": code, "version": version.to_string(), "rule_schema": schema});
    HEXLOWER.encode(&Sha256::digest(canonical_json(&canonical).unwrap_or_default()))
}

/// Of some versions of one rule the one that is in force; `None` when no version may decide.
pub fn in_force<'a>(versions: impl IntoIterator<Item = &'a Rule>, occasion: Occasion) -> Option<&'a Rule> {
    versions.into_iter().filter(|rule| rule.is_for(occasion)).max_by_key(|rule| rule.rank())
}

/// The rule that classifies an item, out of all the rules that an organisation can see.
///
/// Only the version in force of each code counts, so a newer version that no longer covers an item retires the older one for it. Where
/// rules of different codes cover the same item, the same order decides between them, and then the code that sorts first, so that the
/// answer never depends on the order of `rules`. `None` when no rule covers the item.
pub fn rule_for_item<'a>(
    rules: impl IntoIterator<Item = &'a Rule>,
    item_code: &str,
    occasion: Occasion,
) -> Option<&'a Rule> {
    let covers = in_force_of_each_code(rules, occasion).filter(|rule| rule.schema.covers(item_code));
    covers.max_by_key(|rule| rule.rank_among_codes())
}

/// The rule of every item that one covers; see [`rule_for_item`].
pub fn rules_for_items<'a>(
    rules: impl IntoIterator<Item = &'a Rule>,
    occasion: Occasion,
) -> BTreeMap<&'a str, &'a Rule> {
    let mut by_item = BTreeMap::<&str, &Rule>::new();
    for rule in in_force_of_each_code(rules, occasion) {
        for item_code in rule.schema.item_codes() {
            let decides = by_item.entry(item_code).or_insert(rule);
            if rule.rank_among_codes() > decides.rank_among_codes() {
                *decides = rule;
            }
        }
    }
    by_item
}

fn in_force_of_each_code<'a>(
    rules: impl IntoIterator<Item = &'a Rule>,
    occasion: Occasion,
) -> impl Iterator<Item = &'a Rule> {
    let mut by_code = BTreeMap::<&str, Vec<&Rule>>::new();
    for rule in rules {
        by_code.entry(&rule.code).or_default().push(rule);
    }
    by_code.into_values().filter_map(move |versions| in_force(versions, occasion))
}

/// Those that have to do with an item: all versions of each code of which one covers it.
pub fn rules_of(rules: &[Rule], item_code: &str) -> Vec<Rule> {
    let covers = |rule: &&Rule| rule.schema.covers(item_code);
    let codes: Vec<&str> = rules.iter().filter(covers).map(|rule| rule.code.as_str()).collect();
    rules.iter().filter(|rule| codes.contains(&rule.code.as_str())).cloned().collect()
}
