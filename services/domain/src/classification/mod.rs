//! Classification of faults by versioned rules.
//!
//! A rule is data: a code, a semantic version and a [`RuleSchema`] that says which class a practitioner gives to
//! each condition that can be seen on an item. [`classify`] applies one rule to one [`Observation`] in three steps:
//!
//! 1. The observed condition is looked up. It is either mapped to a class directly (`conditions`), or it is one
//!    that is judged by a number (`thresholds`), and then every limit that the measured value crosses gives a class.
//! 2. The first context predicate that applies to the condition and holds replaces its class (`predicates`): the
//!    only extinguisher in its area is not one of many.
//! 3. The most severe class is the outcome, which names the rule and the version that decided.
//!
//! Everything that a device leaves out or gets wrong is an error, never a milder class. What is missing is another thing where an asset's
//! record should have said it: that is a condition of its own, `baseline_missing`.
//!
//! [`Judgement`] does all of it for a fault, from the rules that an organisation can see and what is on record of the asset.
//!
//! The published JSON Schema of a rule is `rules/rule_schema.schema.json`; the rules that the product ships are
//! the other files beside it, see [`shipped_rules`]. They are our own judgement in our own words, and a customer
//! replaces any of them by a rule of his own with the same code.

mod asset;
mod baseline;
mod class;
mod classify;
mod code;
mod consistency;
mod context;
mod create;
mod error;
mod impact;
mod judgement;
mod limit;
mod near;
mod parse;
mod predicate;
mod problem;
mod receipt;
mod rule;
mod schema;
mod section;
mod shipped;
mod solution;
mod soundness;
mod units;

pub use asset::{AppliedSolution, AssetRecord, LookedUp, RecordedBaseline, RecordedSolution};
pub use baseline::{AskedQuantity, BaselineValues, quantity_of};
pub use class::{Classification, Mapping};
pub use classify::{Observation, Outcome, classify};
pub use code::{RuleCode, RuleVersion};
pub use context::{Context, Quantity};
pub use create::CreateRule;
pub use error::ClassifyError;
pub use impact::{Finding, Impact, Supposition};
pub use judgement::Judgement;
pub use limit::{Bound, Consequence, Limit, Threshold};
pub use near::near;
pub use predicate::{Operand, Operator, Predicate, Scalar, Test};
pub use problem::{Invalid, RuleProblem};
pub use receipt::{Inputs, Receipt, WhyNot, has_free_text};
pub use rule::{Occasion, Rule, in_force, rule_for_item, rules_for_items, rules_of};
pub use schema::RuleSchema;
pub use section::Section;
pub use shipped::{Provenance, RULE_JSON_SCHEMA, provenances, shipped_rules};
pub use solution::SolutionLimits;
pub use units::{Unit, Units, units};
