//! The model of one rule: what it covers and how it decides.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::class::Mapping;
use super::limit::Threshold;
use super::predicate::Predicate;

/// The condition that an asset has no baseline on record. A rule may say of which class it is; otherwise it is a non-conformance.
pub(super) const BASELINE_MISSING: &str = "baseline_missing";

/// The `rule_schema` of a rule: which items it covers and how it classifies what is seen on them.
///
/// A value of this type is valid: it is read from JSON with [`RuleSchema::parse`] (serde goes the same way), which
/// refuses unknown fields and names every problem at once. Its JSON Schema is [`super::RULE_JSON_SCHEMA`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "Value")]
pub struct RuleSchema {
    /// Section of AS 1851-2012, 2 to 14.
    #[schema(minimum = 2, maximum = 14)]
    pub(super) section: u8,
    /// Codes of the items that this rule covers, such as `EXT-PRESSURE`; 1 to 64.
    pub(super) item_codes: Vec<String>,
    /// Plain description of the item, at most 200 characters.
    pub(super) item: String,
    /// Observed condition to its class; 1 to 128.
    pub(super) conditions: BTreeMap<String, Mapping>,
    /// Observed conditions that are judged by a measured value; at most 32, none of them also in `conditions`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(required = false)]
    pub(super) thresholds: BTreeMap<String, Threshold>,
    /// Context predicates in the order in which they are tried; at most 32.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(super) predicates: Vec<Predicate>,
    /// Numbers of sections of the standard, such as `10` or `10.4`; numbers only, its text is copyrighted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(super) references: Vec<String>,
}

impl RuleSchema {
    /// Section of AS 1851-2012, 2 to 14.
    pub fn section(&self) -> u8 {
        self.section
    }

    /// Codes of the items that this rule covers.
    pub fn item_codes(&self) -> &[String] {
        &self.item_codes
    }

    /// Plain description of the item.
    pub fn item(&self) -> &str {
        &self.item
    }

    /// Observed condition to its class.
    pub fn conditions(&self) -> &BTreeMap<String, Mapping> {
        &self.conditions
    }

    /// Observed conditions that are judged by a measured value.
    pub fn thresholds(&self) -> &BTreeMap<String, Threshold> {
        &self.thresholds
    }

    /// Context predicates in the order in which they are tried.
    pub fn predicates(&self) -> &[Predicate] {
        &self.predicates
    }

    /// Whether this rule speaks about the item.
    pub fn covers(&self, item_code: &str) -> bool {
        self.item_codes.iter().any(|code| code == item_code)
    }
}
