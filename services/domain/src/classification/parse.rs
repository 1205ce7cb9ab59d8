//! From JSON to a valid [`RuleSchema`], with every problem named.

use serde_json::Value;
use utoipa::openapi::{RefOr, Schema};

use super::class::{Classification, Mapping};
use super::consistency::check_consistency;
use super::context::{Context, unit};
use super::limit::{Bound, Consequence, Limit, Threshold};
use super::predicate::{Operand, Operator, Predicate, Scalar, Test};
use super::problem::{Invalid, Members, RuleProblems, list, map, noted, number, text, word};
use super::schema::RuleSchema;
use super::soundness::check_soundness;
use crate::input::{self, At, Faults, Input};

const ITEM_CHARS_MAX: usize = 200;
const NOTE_CHARS_MAX: usize = 500;
const NAME_CHARS_MAX: usize = 64;
const TEXT_OPERAND_CHARS_MAX: usize = 200;

pub(super) const CODE_RULE: &str =
    "must be upper-case letters, digits and single hyphens, at most 64 characters";
pub(super) const NAME_RULE: &str =
    "must be lower-case letters, digits and single underscores, at most 64 characters";
const REFERENCE_RULE: &str = "must be the number of a section, such as 10 or 10.4, and nothing else";

impl RuleSchema {
    /// Reads a customer's `rule_schema`.
    ///
    /// # Errors
    /// Every problem at once, each with the pointer of its field, which starts with `/rule_schema`.
    pub fn parse(value: Value) -> Result<Self, Invalid> {
        let mut problems = RuleProblems::default();
        let schema = rule_schema_into(value, &mut problems);
        problems.into_result(schema)
    }

    /// Reads one that is to be made: it must also decide as its author means it.
    ///
    /// # Errors
    /// As for [`Self::parse`].
    pub fn parse_new(value: Value) -> Result<Self, Invalid> {
        let schema = Self::parse(value)?;
        let mut problems = RuleProblems::default();
        check_soundness(&schema, &mut problems);
        problems.into_result(Some(schema))
    }
}

impl TryFrom<Value> for RuleSchema {
    type Error = Invalid;

    fn try_from(value: Value) -> Result<Self, Invalid> {
        Self::parse(value)
    }
}

impl Input for RuleSchema {
    fn read(value: Value, _: &At<'_>, faults: &mut Faults) -> Option<Self> {
        noted(Self::parse_new(value), faults)
    }

    fn schema() -> RefOr<Schema> {
        input::object().into()
    }
}

pub(super) fn rule_schema_into(value: Value, problems: &mut RuleProblems) -> Option<RuleSchema> {
    let problems_before = problems.len();
    let mut members = Members::open(value, "/rule_schema", problems)?;
    let section = members.required("section", problems, section);
    let item_codes = members.required("item_codes", problems, |value, path, problems| {
        list(value, path, 1..=64, problems, item_code)
    });
    let item = members
        .required("item", problems, |value, path, problems| text(value, path, ITEM_CHARS_MAX, problems));
    let conditions = members.required("conditions", problems, |value, path, problems| {
        map(value, path, 1..=128, problems, condition)
    });
    let thresholds = or_empty(members.optional("thresholds", problems, |value, path, problems| {
        map(value, path, 0..=32, problems, threshold)
    }));
    let predicates = or_empty(members.optional("predicates", problems, |value, path, problems| {
        list(value, path, 0..=32, problems, predicate)
    }));
    let references = or_empty(members.optional("references", problems, |value, path, problems| {
        list(value, path, 0..=16, problems, |value, path, problems| {
            word(value, path, is_section_number, REFERENCE_RULE, problems)
        })
    }));
    members.close(problems);

    let schema = RuleSchema {
        section: section?,
        item_codes: item_codes?,
        item: item?,
        conditions: conditions?,
        thresholds,
        predicates,
        references,
    };
    if problems.len() == problems_before {
        check_consistency(&schema, problems);
    }
    Some(schema)
}

/// What was left out is empty; what could not be read is reported, so the value is never used.
fn or_empty<T: Default>(value: Option<T>) -> T {
    value.unwrap_or_default()
}

fn section(value: Value, path: &str, problems: &mut RuleProblems) -> Option<u8> {
    let section = (2..=14_u8).find(|section| value.as_f64() == Some(f64::from(*section)));
    if section.is_none() {
        problems.add(path, "must be a whole number from 2 to 14");
    }
    section
}

fn item_code(value: Value, path: &str, problems: &mut RuleProblems) -> Option<String> {
    word(value, path, is_code, CODE_RULE, problems)
}

fn name(value: Value, path: &str, problems: &mut RuleProblems) -> Option<String> {
    word(value, path, is_name, NAME_RULE, problems)
}

fn note(value: Value, path: &str, problems: &mut RuleProblems) -> Option<String> {
    text(value, path, NOTE_CHARS_MAX, problems)
}

fn classification(value: Value, path: &str, problems: &mut RuleProblems) -> Option<Classification> {
    let class = value.as_str().and_then(Classification::from_name);
    if class.is_none() {
        let names = Classification::ALL.map(Classification::as_str).join(", ");
        problems.add(path, format_args!("must be one of {names}"));
    }
    class
}

fn condition(key: &str, value: Value, path: &str, problems: &mut RuleProblems) -> Option<Mapping> {
    check_key(key, path, problems);
    let mut members = Members::open(value, path, problems)?;
    let classification = members.required("classification", problems, classification);
    let note = members.optional("note", problems, note);
    members.close(problems);
    Some(Mapping { classification: classification?, note })
}

pub(super) fn threshold(
    key: &str,
    value: Value,
    path: &str,
    problems: &mut RuleProblems,
) -> Option<Threshold> {
    check_key(key, path, problems);
    limits_and_unit(value, path, problems)
}

impl TryFrom<Value> for Threshold {
    type Error = Invalid;

    fn try_from(value: Value) -> Result<Self, Invalid> {
        let mut problems = RuleProblems::default();
        let threshold = limits_and_unit(value, "", &mut problems);
        problems.into_result(threshold)
    }
}

fn limits_and_unit(value: Value, path: &str, problems: &mut RuleProblems) -> Option<Threshold> {
    let mut members = Members::open(value, path, problems)?;
    let unit = members.required("unit", problems, unit);
    let limits = members
        .required("limits", problems, |value, path, problems| list(value, path, 1..=8, problems, limit));
    members.close(problems);
    Some(Threshold { unit: unit?, limits: limits? })
}

fn limit(value: Value, path: &str, problems: &mut RuleProblems) -> Option<Limit> {
    let mut members = Members::open(value, path, problems)?;
    let bound = members
        .one_of(&Bound::NAMES, problems)
        .and_then(|(name, value)| bound(name, value, &members.path(name), problems));
    let consequence = members.one_of(&["classification", "condition"], problems).and_then(|(kind, value)| {
        let path = members.path(kind);
        match kind {
            "classification" => classification(value, &path, problems).map(Consequence::Classification),
            _ => name(value, &path, problems).map(Consequence::Condition),
        }
    });
    let note = members.optional("note", problems, note);
    members.close(problems);
    Some(Limit { bound: bound?, consequence: consequence?, note })
}

fn bound(name: &str, value: Value, path: &str, problems: &mut RuleProblems) -> Option<Bound> {
    let number = number(value, path, problems)?;
    match name {
        "min" => Some(Bound::Min(number)),
        "max" => Some(Bound::Max(number)),
        _ if number <= 0.0 => {
            problems.add(path, "must be above zero");
            None
        }
        "min_percent_of_baseline" => Some(Bound::MinPercentOfBaseline(number)),
        _ => Some(Bound::MaxPercentOfBaseline(number)),
    }
}

fn predicate(value: Value, path: &str, problems: &mut RuleProblems) -> Option<Predicate> {
    let mut members = Members::open(value, path, problems)?;
    let conditions = or_empty(members.optional("conditions", problems, |value, path, problems| {
        list(value, path, 1..=160, problems, name)
    }));
    let when =
        members.required("when", problems, |value, path, problems| list(value, path, 1..=8, problems, test));
    let classification = members.required("classification", problems, classification);
    let note = members.optional("note", problems, note);
    members.close(problems);
    Some(Predicate { conditions, when: when?, classification: classification?, note })
}

fn test(value: Value, path: &str, problems: &mut RuleProblems) -> Option<Test> {
    let mut members = Members::open(value, path, problems)?;
    let field = members.required("field", problems, |value, path, problems| {
        let valid = |name: &str| is_name(name) && !Context::QUANTITIES.contains(&name);
        word(
            value,
            path,
            valid,
            "must be a name in lower case, and not a quantity (use thresholds)",
            problems,
        )
    });
    let operator = members.required("operator", problems, operator);
    let value = members
        .required("value", problems, |value, path, problems| operand(operator?, value, path, problems));
    members.close(problems);
    Some(Test { field: field?, operator: operator?, value: value? })
}

fn operator(value: Value, path: &str, problems: &mut RuleProblems) -> Option<Operator> {
    let found = Operator::ALL.into_iter().find(|(name, _)| value.as_str() == Some(name));
    if found.is_none() {
        problems.add(path, format_args!("must be one of {}", Operator::ALL.map(|(name, _)| name).join(", ")));
    }
    found.map(|(_, operator)| operator)
}

fn operand(operator: Operator, value: Value, path: &str, problems: &mut RuleProblems) -> Option<Operand> {
    if operator.needs_number() {
        return number(value, path, problems).map(|number| Operand::One(Scalar::Number(number)));
    }
    if operator != Operator::OneOf {
        return scalar(value, path, problems).map(Operand::One);
    }
    let values = list(value, path, 1..=32, problems, scalar)?;
    if values.iter().any(|value| value.type_name() != values[0].type_name()) {
        problems.add(path, "must have values of one type");
        return None;
    }
    Some(Operand::Several(values))
}

fn scalar(value: Value, path: &str, problems: &mut RuleProblems) -> Option<Scalar> {
    let scalar = Scalar::from_json(&value).filter(|scalar| match scalar {
        // PostgreSQL keeps no U+0000.
        Scalar::Text(text) => text.chars().count() <= TEXT_OPERAND_CHARS_MAX && !text.contains('\0'),
        Scalar::Number(number) => number.is_finite(),
        Scalar::Boolean(_) => true,
    });
    if scalar.is_none() {
        problems.add(path, "must be true, false, a number or text of at most 200 characters without U+0000");
    }
    scalar
}

fn check_key(key: &str, path: &str, problems: &mut RuleProblems) {
    if !is_name(key) {
        problems.add(path, format_args!("its name {NAME_RULE}"));
    }
}

pub(super) fn is_code(text: &str) -> bool {
    is_separated(text, '-', |c| c.is_ascii_uppercase() || c.is_ascii_digit())
}

pub(super) fn is_name(text: &str) -> bool {
    is_separated(text, '_', |c| c.is_ascii_lowercase() || c.is_ascii_digit())
}

fn is_separated(text: &str, separator: char, allowed: fn(char) -> bool) -> bool {
    text.len() <= NAME_CHARS_MAX
        && text.split(separator).all(|part| !part.is_empty() && part.chars().all(allowed))
}

fn is_section_number(text: &str) -> bool {
    let mut parts = 0;
    text.split('.').all(|part| {
        parts += 1;
        parts <= 5 && (1..=3).contains(&part.len()) && part.chars().all(|c| c.is_ascii_digit())
    })
}
