//! Context predicates: facts about the surroundings of a fault that change its class.
//!
//! The language is small on purpose: a field of the context, an operator, a value. There is no scripting, so a rule
//! can be read by the person who answers for it, and its evaluation always ends.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::class::Classification;
use super::context::Context;
use super::error::ClassifyError;

/// Replaces the class when every one of its tests holds.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Predicate {
    /// The conditions to which it applies (keys of `conditions` or `thresholds`); left out: to all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub conditions: Vec<String>,
    /// The tests; 1 to 8, all of which must hold.
    pub when: Vec<Test>,
    /// The class that then applies.
    pub classification: Classification,
    /// Guidance for the technician, in the author's own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// One test of one field of the context.
///
/// A field that the context does not have makes the test fail, with any operator. A field of another type than
/// the operand is an error: `"true"` must not quietly count as "not true".
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Test {
    /// Name of a member of `context`, such as `only_in_area`.
    pub field: String,
    /// How the field is compared.
    pub operator: Operator,
    /// What it is compared with.
    pub value: Operand,
}

/// How a field of the context is compared with the operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Operator {
    /// The same value.
    Equals,
    /// Present and another value.
    NotEquals,
    /// A number below the operand.
    LessThan,
    /// A number not above the operand.
    AtMost,
    /// A number above the operand.
    GreaterThan,
    /// A number not below the operand.
    AtLeast,
    /// One of the values of a list.
    OneOf,
}

impl Operator {
    /// Every operator with its name in a rule.
    pub const ALL: [(&'static str, Self); 7] = [
        ("equals", Self::Equals),
        ("not_equals", Self::NotEquals),
        ("less_than", Self::LessThan),
        ("at_most", Self::AtMost),
        ("greater_than", Self::GreaterThan),
        ("at_least", Self::AtLeast),
        ("one_of", Self::OneOf),
    ];

    /// Whether the operator orders numbers.
    pub(super) fn needs_number(self) -> bool {
        matches!(self, Self::LessThan | Self::AtMost | Self::GreaterThan | Self::AtLeast)
    }
}

/// A value that a field can be compared with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Scalar {
    /// `true` or `false`.
    Boolean(bool),
    /// A finite number.
    Number(f64),
    /// Text of at most 200 characters, compared exactly.
    Text(String),
}

impl Scalar {
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Boolean(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "text",
        }
    }

    pub(super) fn from_json(value: &serde_json::Value) -> Option<Self> {
        match value {
            serde_json::Value::Bool(value) => Some(Self::Boolean(*value)),
            serde_json::Value::Number(value) => value.as_f64().map(Self::Number),
            serde_json::Value::String(value) => Some(Self::Text(value.clone())),
            _ => None,
        }
    }
}

impl From<Scalar> for serde_json::Value {
    fn from(scalar: Scalar) -> Self {
        match scalar {
            Scalar::Boolean(value) => value.into(),
            Scalar::Number(value) => value.into(),
            Scalar::Text(value) => value.into(),
        }
    }
}

/// The right-hand side of a test: one value, or for `one_of` 1 to 32 values of one type.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Operand {
    /// One value.
    One(Scalar),
    /// The values of `one_of`.
    Several(Vec<Scalar>),
}

impl Operand {
    pub(super) fn values(&self) -> &[Scalar] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Several(values) => values,
        }
    }
}

impl Predicate {
    pub(super) fn applies_to(&self, condition: &str) -> bool {
        self.conditions.is_empty() || self.conditions.iter().any(|name| name == condition)
    }

    pub(super) fn holds(&self, context: &Context) -> Result<bool, ClassifyError> {
        for test in &self.when {
            if !test.holds(context)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Test {
    fn holds(&self, context: &Context) -> Result<bool, ClassifyError> {
        let Some(found) = context.fact(&self.field) else { return Ok(false) };
        let operands = self.value.values();
        let same_type =
            |value: &Scalar| operands.iter().all(|operand| operand.type_name() == value.type_name());
        let found =
            Scalar::from_json(found).filter(same_type).ok_or_else(|| ClassifyError::InvalidContext {
                field: format!("context.{}", self.field),
                expected: operands.first().map_or("a value", Scalar::type_name).to_owned(),
            })?;
        Ok(self.operator.compare(&found, operands))
    }
}

impl Operator {
    pub(super) fn compare(self, found: &Scalar, operands: &[Scalar]) -> bool {
        let ordered = |holds: fn(&f64, &f64) -> bool| {
            operands.iter().any(|operand| match (found, operand) {
                (Scalar::Number(found), Scalar::Number(operand)) => holds(found, operand),
                _ => false,
            })
        };
        match self {
            Self::Equals | Self::OneOf => operands.contains(found),
            Self::NotEquals => !operands.contains(found),
            Self::LessThan => ordered(f64::lt),
            Self::AtMost => ordered(f64::le),
            Self::GreaterThan => ordered(f64::gt),
            Self::AtLeast => ordered(f64::ge),
        }
    }
}
