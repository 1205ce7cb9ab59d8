//! A version of a rule as its author writes it.

use uuid::Uuid;

use super::code::{RuleCode, RuleVersion};
use super::rule::Rule;
use super::schema::RuleSchema;
use crate::body;
use crate::input::{Becomes as _, Day};
use crate::place::Jurisdiction;

body! {
    /// A version of a rule of one's own.
    #[derive(Debug)]
    pub struct CreateRule like {
        "rule_code": "OWN-EXT-PRESSURE", "version": "1.0.0",
        "rule_schema": {
            "section": 10, "item_codes": ["EXT-PRESSURE"], "item": "extinguisher pressure",
            "conditions": {"pressure_low": {"classification": "critical_defect"}}
        }
    } {
        /// Upper-case letters, digits and single hyphens. That of a shipped rule, to take its place; or a new one.
        pub rule_code: RuleCode = "OWN-EXT-PRESSURE",
        /// Semantic version; it never changes once it is made.
        pub version: RuleVersion = "1.0.0",
        /// How it classifies: `GET /v1/rules/schema`.
        pub rule_schema: RuleSchema,
        /// The first day on which it decides; left out: any day.
        pub effective_from: Option<Day>,
        /// The jurisdiction in which alone it decides; left out: anywhere.
        pub jurisdiction: Option<Jurisdiction>,
        /// Is it to be used? Left out: yes.
        pub activate: Option<bool>,
    }
}

impl CreateRule {
    /// The version, as an organisation's own.
    pub fn rule(self, organisation_id: Uuid) -> Rule {
        Rule {
            effective_from: self.effective_from.becomes(),
            jurisdiction: self.jurisdiction,
            is_active: self.activate.unwrap_or(true),
            ..Rule::new(self.rule_code, self.version, self.rule_schema, Some(organisation_id))
        }
    }
}
