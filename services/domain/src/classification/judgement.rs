//! A fault before all the rules that an organisation can see: which of them decides, by what, and what comes of it.

use super::class::Classification;
use super::classify::{Observation, classify};
use super::error::ClassifyError;
use super::receipt::Inputs;
use super::rule::{Occasion, Rule, rule_for_item};
use crate::audit::Commitments;

/// How a fault was judged.
#[derive(Debug)]
pub struct Judgement<'r> {
    /// The rule that decided; none where none covers the item.
    pub rule: Option<&'r Rule>,
    /// What it decided by, as it is to stand on record.
    pub inputs: Inputs,
    /// The class, or why there is none.
    pub outcome: Result<Classification, ClassifyError>,
}

impl<'r> Judgement<'r> {
    /// Judges what was seen on this occasion by the one of these rules that decides then. Commitments are needed where the context has free
    /// text ([`super::has_free_text`]).
    pub fn of(
        rules: &'r [Rule],
        occasion: Occasion,
        observation: &Observation,
        commitments: Option<&Commitments>,
    ) -> Self {
        let rule = rule_for_item(rules, &observation.item_code, occasion);
        let inputs = Inputs::of(&observation.context, rule, commitments);
        let outcome = match rule {
            Some(rule) => classify(rule, observation).map(|outcome| outcome.classification),
            None => Err(ClassifyError::UnknownItem { item_code: observation.item_code.clone() }),
        };
        Self { rule, inputs, outcome }
    }
}
