//! What a version of a rule would have changed.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::class::Classification;
use super::classify::classify;
use super::receipt::Receipt;
use super::rule::{Occasion, Rule, rule_for_item, rules_of};

/// A version of a rule as if it had been the one in force of its code all along, beside the other rules as they are now.
#[derive(Debug)]
pub struct Supposition {
    code: String,
    /// For each item that a version of the code covers, the rules that have to do with it.
    by_item: HashMap<String, Vec<Rule>>,
}

/// What a fault came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// Code of the rule that decides; null: there is none.
    #[schema(example = "AS1851-10-EXT-PRESSURE")]
    pub rule_code: Option<String>,
    /// Its version.
    #[schema(example = "1.0.0")]
    pub version: Option<String>,
    /// The class; null: there is none.
    #[schema(nullable)]
    pub classification: Option<Classification>,
}

/// What became of a past classification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Impact {
    /// The version has nothing to do with it, or comes to the same class.
    None,
    /// Its inputs are not on record.
    NotOnRecord,
    /// It would have come to something else.
    Differs {
        /// What it came to.
        was: Finding,
        /// What it would have come to.
        would_be: Finding,
    },
}

impl Supposition {
    /// Of the version's own code nothing but the version counts. `item_codes` are those of all versions of it, whether they are used or not,
    /// and `rules` those in use that have to do with them.
    pub fn new<'i>(version: Rule, item_codes: impl IntoIterator<Item = &'i str>, rules: Vec<Rule>) -> Self {
        let code = version.code.clone();
        let version = Rule { is_active: true, effective_from: None, ..version };
        let rules: Vec<Rule> = rules.into_iter().filter(|rule| rule.code != code).chain([version]).collect();
        let covering = |item: &str| (item.to_owned(), rules_of(&rules, item));
        Self { code, by_item: item_codes.into_iter().map(covering).collect() }
    }

    /// The items that it may have to do with.
    pub fn item_codes(&self) -> Vec<&str> {
        self.by_item.keys().map(String::as_str).collect()
    }

    /// What it would have made of a past classification, which was decided on this occasion.
    pub fn impact(&self, receipt: &Receipt, occasion: Occasion) -> Impact {
        let rules = receipt.item_code.as_ref().and_then(|item| self.by_item.get(item).zip(Some(item)));
        let Some((rules, item_code)) = rules else { return Impact::None };
        let rule = rule_for_item(rules, item_code, occasion);
        let is_or_was = |code: Option<&String>| code == Some(&self.code);
        if !is_or_was(rule.map(|rule| &rule.code)) && !is_or_was(receipt.rule_applied.as_ref()) {
            return Impact::None;
        }
        let Some(observation) = receipt.observation() else { return Impact::NotOnRecord };
        let outcome = rule.and_then(|rule| classify(rule, &observation).ok());
        let classification = outcome.map(|outcome| outcome.classification);
        if classification == receipt.classification {
            return Impact::None;
        }
        let was = Finding {
            rule_code: receipt.rule_applied.clone(),
            version: receipt.version_applied.clone(),
            classification: receipt.classification,
        };
        let would_be = Finding {
            rule_code: rule.map(|rule| rule.code.clone()),
            version: rule.map(|rule| rule.version.to_string()),
            classification,
        };
        Impact::Differs { was, would_be }
    }
}
