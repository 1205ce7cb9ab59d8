//! Problems of customer data, collected so that all of them are reported at once.

use std::fmt::Display;

use serde::Serialize;
use serde_json::{Map, Value};

pub(super) use crate::input::pointer_of_member as member;
use crate::input::{Faults, FieldError};

/// At most this many problems are kept: enough to repair a rule, small enough for an answer.
const PROBLEMS_MAX: usize = 100;

/// One fault of a value, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleProblem {
    /// JSON Pointer (RFC 6901) of the field, such as `/rule_schema/thresholds/flow_measured/limits/1/min`.
    pub pointer: String,
    /// What is wrong with it, for the person who wrote it.
    pub message: String,
}

impl From<RuleProblem> for FieldError {
    fn from(problem: RuleProblem) -> Self {
        let field = problem.field();
        Self { field, message: problem.message, pointer: Some(problem.pointer) }
    }
}

impl RuleProblem {
    /// Path of the field as all errors name theirs, such as `rule_schema.thresholds.flow_measured.limits[1].min`.
    pub fn field(&self) -> String {
        let mut field = String::new();
        for segment in self.pointer.split('/').skip(1) {
            let is_index = !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_digit());
            match (is_index, field.is_empty()) {
                (true, _) => field.extend(["[", segment, "]"]),
                (false, true) => field.push_str(&unescaped(segment)),
                (false, false) => field.extend([".", &unescaped(segment)]),
            }
        }
        field
    }
}

fn unescaped(segment: &str) -> String {
    segment.replace("~1", "/").replace("~0", "~")
}

/// The pointer of an entry of the list at this one.
pub(super) fn entry(pointer: &str, index: usize) -> String {
    format!("{pointer}/{index}")
}

/// A value that was refused, with every problem found in it (HTTP: 422, one entry of `errors` for each).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", describe(.problems))]
pub struct Invalid {
    /// The problems in the order of the document; never empty, at most 100.
    pub problems: Vec<RuleProblem>,
}

fn describe(problems: &[RuleProblem]) -> String {
    problems
        .iter()
        .map(|problem| format!("{}: {}", problem.field(), problem.message))
        .collect::<Vec<_>>()
        .join("; ")
}

/// The value, or nothing where its problems were noted among the faults of a request.
pub(super) fn noted<T>(read: Result<T, Invalid>, faults: &mut Faults) -> Option<T> {
    read.map_err(|invalid| invalid.problems.into_iter().for_each(|problem| faults.push(problem.into()))).ok()
}

/// Collects problems while a value is read.
#[derive(Debug, Default)]
pub(super) struct RuleProblems(Vec<RuleProblem>);

impl RuleProblems {
    pub(super) fn add(&mut self, pointer: impl Into<String>, message: impl Display) {
        if self.0.len() < PROBLEMS_MAX {
            self.0.push(RuleProblem { pointer: pointer.into(), message: message.to_string() });
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The value that was read, or everything that was wrong with it.
    ///
    /// A reader returns `None` only after it has reported why.
    pub(super) fn into_result<T>(self, value: Option<T>) -> Result<T, Invalid> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => {
                debug_assert!(!self.0.is_empty(), "a reader failed without saying why");
                Err(Invalid { problems: self.0 })
            }
        }
    }
}

/// One JSON object, read member by member; what nobody asked for is reported as unknown.
pub(super) struct Members {
    path: String,
    members: Map<String, Value>,
}

impl Members {
    pub(super) fn open(value: Value, path: &str, problems: &mut RuleProblems) -> Option<Self> {
        match value {
            Value::Object(members) => Some(Self { path: path.to_owned(), members }),
            _ => {
                problems.add(path, "must be an object");
                None
            }
        }
    }

    /// The pointer of one member.
    pub(super) fn path(&self, name: &str) -> String {
        member(&self.path, name)
    }

    /// Takes a member that may be left out.
    pub(super) fn optional<T>(
        &mut self,
        name: &str,
        problems: &mut RuleProblems,
        read: impl FnOnce(Value, &str, &mut RuleProblems) -> Option<T>,
    ) -> Option<T> {
        let value = self.members.remove(name)?;
        read(value, &self.path(name), problems)
    }

    /// Takes a member that must be there.
    pub(super) fn required<T>(
        &mut self,
        name: &str,
        problems: &mut RuleProblems,
        read: impl FnOnce(Value, &str, &mut RuleProblems) -> Option<T>,
    ) -> Option<T> {
        if !self.members.contains_key(name) {
            problems.add(self.path(name), "is missing");
            return None;
        }
        self.optional(name, problems, read)
    }

    /// Takes the one member of `names` that is present; none or several are a problem.
    pub(super) fn one_of(
        &mut self,
        names: &[&'static str],
        problems: &mut RuleProblems,
    ) -> Option<(&'static str, Value)> {
        let mut present = names.iter().copied().filter(|name| self.members.contains_key(*name));
        let (first, second) = (present.next(), present.next());
        let found = first.and_then(|name| self.members.remove(name).map(|value| (name, value)));
        for name in names {
            self.members.remove(*name);
        }
        if found.is_none() || second.is_some() {
            problems.add(&self.path, format_args!("needs exactly one of {}", names.join(", ")));
            return None;
        }
        found
    }

    /// Takes what has not been asked for.
    pub(super) fn rest(self) -> Map<String, Value> {
        self.members
    }

    /// Reports what has not been asked for.
    pub(super) fn close(self, problems: &mut RuleProblems) {
        for name in self.members.keys() {
            problems.add(self.path(name), "is not a known field");
        }
    }
}

pub(super) fn number(value: Value, path: &str, problems: &mut RuleProblems) -> Option<f64> {
    let number = value.as_f64().filter(|number| number.is_finite());
    if number.is_none() {
        problems.add(path, "must be a number");
    }
    number
}

/// Text of 1 to `chars_max` characters without control characters.
pub(super) fn text(
    value: Value,
    path: &str,
    chars_max: usize,
    problems: &mut RuleProblems,
) -> Option<String> {
    match value {
        Value::String(text)
            if !text.trim().is_empty()
                && text.chars().count() <= chars_max
                && !text.chars().any(char::is_control) =>
        {
            Some(text)
        }
        _ => {
            problems.add(path, format_args!("must be text of 1 to {chars_max} characters on one line"));
            None
        }
    }
}

/// Text that `valid` accepts; `rule` says in words what that is.
pub(super) fn word(
    value: Value,
    path: &str,
    valid: impl FnOnce(&str) -> bool,
    rule: &str,
    problems: &mut RuleProblems,
) -> Option<String> {
    match value {
        Value::String(text) if valid(&text) => Some(text),
        _ => {
            problems.add(path, rule);
            None
        }
    }
}

/// A list with a bounded number of entries, each read by `read`; every bad entry is reported.
pub(super) fn list<T>(
    value: Value,
    path: &str,
    len: std::ops::RangeInclusive<usize>,
    problems: &mut RuleProblems,
    mut read: impl FnMut(Value, &str, &mut RuleProblems) -> Option<T>,
) -> Option<Vec<T>> {
    let Value::Array(entries) = value else {
        problems.add(path, "must be a list");
        return None;
    };
    if !len.contains(&entries.len()) {
        problems.add(path, format_args!("must have {} to {} entries", len.start(), len.end()));
        return None;
    }
    let entries: Vec<_> = entries
        .into_iter()
        .enumerate()
        .map(|(index, value)| read(value, &entry(path, index), problems))
        .collect();
    entries.into_iter().collect()
}

/// A map with a bounded number of entries, each read by `read`; every bad entry is reported.
pub(super) fn map<T>(
    value: Value,
    path: &str,
    len: std::ops::RangeInclusive<usize>,
    problems: &mut RuleProblems,
    mut read: impl FnMut(&str, Value, &str, &mut RuleProblems) -> Option<T>,
) -> Option<std::collections::BTreeMap<String, T>> {
    let members = Members::open(value, path, problems)?.rest();
    if !len.contains(&members.len()) {
        problems.add(path, format_args!("must have {} to {} entries", len.start(), len.end()));
        return None;
    }
    let entries: Vec<_> = members
        .into_iter()
        .map(|(name, entry)| {
            let read = read(&name, entry, &member(path, &name), problems);
            read.map(|entry| (name, entry))
        })
        .collect();
    entries.into_iter().collect()
}
