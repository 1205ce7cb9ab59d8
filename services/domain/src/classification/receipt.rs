//! What stands on record of a classification: enough to come to the same answer years later.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::asset::LookedUp;
use super::class::Classification;
use super::classify::{Observation, classify_in};
use super::context::{Context, Quantity};
use super::error::ClassifyError;
use super::parse::is_name;
use super::predicate::Scalar;
use super::rule::{Occasion, Rule};
use super::units::Units;
use crate::audit::{AuditEvent, Commitments, is_code};

/// Facts that stand on record beside those that the rule asks for.
const OTHER_FACTS_MAX: usize = 64;

/// A longer text is no code.
const CODE_CHARS_MAX: usize = 64;

/// What a fault was judged by.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Inputs {
    /// The measured value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measurement: Option<Quantity>,
    /// What it was compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Quantity>,
    /// What else was said of the surroundings. A text that is neither a code nor one of the rule's own words is there as `sha256:` and a
    /// salted hash.
    #[schema(schema_with = crate::input::object)]
    pub facts: BTreeMap<String, Scalar>,
    /// What was looked up of the asset; absent where none was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset: Option<LookedUp>,
}

/// What the audit log has of one classification.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// The item, where it was written as codes are.
    pub item_code: Option<String>,
    /// The condition, where it was written as codes are.
    pub observed_condition: Option<String>,
    /// The session.
    pub session_id: Option<Uuid>,
    /// The asset, where one was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset_id: Option<Uuid>,
    /// When and where it was decided; none in what was recorded by releases that did not keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occasion: Option<Occasion>,
    /// The class, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classification: Option<Classification>,
    /// Code of the rule that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_applied: Option<String>,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_applied: Option<String>,
    /// [`Rule::digest`] of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_digest: Option<String>,
    /// What it decided by; none in what was recorded by releases that did not keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Inputs>,
    /// The version of the policy file of units that measured values were converted by ([`crate::policy::Policy::digest`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units: Option<String>,
    /// Why there is no class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
}

crate::words! {
    /// Why a classification cannot be decided again.
    pub enum WhyNot {
        /// It was recorded by a release that did not keep its inputs.
        InputsNotOnRecord = "inputs_not_on_record",
        /// No rule decided: there was none, or what was sent could not be read.
        NoRuleDecided = "no_rule_decided",
        /// The rule that is stored is not the one that decided.
        RuleDiffers = "rule_differs",
        /// The units by which measured values were converted are not stored.
        UnitsNotStored = "units_not_stored",
    }
}

impl Inputs {
    /// What of a context is to stand on record, where this rule decides. Where [`has_free_text`] says so there have to be commitments.
    pub fn of(context: &Context, rule: Option<&Rule>, commitments: Option<&Commitments>) -> Self {
        let words = rule.map(words_of).unwrap_or_default();
        let scalars =
            context.facts().iter().filter_map(|(name, value)| Some((name, Scalar::from_json(value)?)));
        let (asked, others): (Vec<_>, Vec<_>) =
            scalars.partition(|(name, _)| words.contains_key(name.as_str()));
        let others = others.into_iter().filter(|(name, _)| is_name(name)).take(OTHER_FACTS_MAX);
        let facts = asked.into_iter().chain(others).filter_map(|(name, value)| {
            let own_words = words.get(name.as_str());
            Some((name.clone(), on_record(name, value, own_words, commitments)?))
        });
        let (measurement, baseline) = (context.measurement().cloned(), context.baseline().cloned());
        Self { measurement, baseline, facts: facts.collect(), asset: context.asset.clone() }
    }
}

/// Is there a text in a context that is not written as codes are? It may be what people write about people.
pub fn has_free_text(context: &Map<String, Value>) -> bool {
    context.values().any(|value| value.as_str().is_some_and(|text| !is_short_code(text)))
}

/// For each fact that a rule asks for, the texts that it compares it with.
fn words_of(rule: &Rule) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut words = BTreeMap::<_, BTreeSet<_>>::new();
    for test in rule.schema.predicates().iter().flat_map(|predicate| &predicate.when) {
        let texts = test.value.values().iter().filter_map(|operand| match operand {
            Scalar::Text(text) => Some(text.as_str()),
            Scalar::Boolean(_) | Scalar::Number(_) => None,
        });
        words.entry(test.field.as_str()).or_default().extend(texts);
    }
    words
}

/// A rule compares a text with its own words alone, so it decides by the hash of any other as it does by that text.
fn on_record(
    name: &str,
    value: Scalar,
    own_words: Option<&BTreeSet<&str>>,
    commitments: Option<&Commitments>,
) -> Option<Scalar> {
    let Scalar::Text(text) = &value else { return Some(value) };
    if is_short_code(text) || own_words.is_some_and(|words| words.contains(text.as_str())) {
        return Some(value);
    }
    commitments.map(|commitments| Scalar::Text(commitments.to_text(name, text).into()))
}

fn is_short_code(text: &str) -> bool {
    text.len() <= CODE_CHARS_MAX && is_code(text)
}

impl Receipt {
    /// The action of classifications in the audit log.
    pub const ACTION: &'static str = "fault.classify";

    /// That of an entry of the audit log; none where it is of something else.
    pub fn of(event: &AuditEvent) -> Option<Self> {
        if event.action != Self::ACTION {
            return None;
        }
        serde_json::from_value(event.after.clone()?).ok()
    }

    /// What was seen; none where that is not on record.
    pub fn observation(&self) -> Option<Observation> {
        Some(Observation {
            item_code: self.item_code.clone()?,
            observed_condition: self.observed_condition.clone()?,
            context: self.inputs.clone()?.into(),
        })
    }

    /// Decides again by the rule that decided and by the units of then, as they are stored now.
    ///
    /// # Errors
    /// Why that cannot be done.
    pub fn replay(
        &self,
        rule: Option<&Rule>,
        units: Option<&Units>,
    ) -> Result<Result<Classification, ClassifyError>, WhyNot> {
        if self.rule_applied.is_none() {
            return Err(WhyNot::NoRuleDecided);
        }
        let observation = self.observation().ok_or(WhyNot::InputsNotOnRecord)?;
        let is_the_one = |rule: &&Rule| self.rule_digest.as_ref() == Some(&rule.digest);
        let rule = rule.filter(is_the_one).ok_or(WhyNot::RuleDiffers)?;
        let units = units.ok_or(WhyNot::UnitsNotStored)?;
        Ok(classify_in(rule, &observation, units).map(|outcome| outcome.classification))
    }
}
