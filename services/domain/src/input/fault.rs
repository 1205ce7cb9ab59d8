//! Faults of a request, each under the path of its field.

use std::fmt;

use serde::Serialize;
use utoipa::ToSchema;

/// At most this many faults are reported in one answer: enough to repair a request, and small.
pub const FAULTS_MAX: usize = 100;

/// A longer name in a path is cut: it came from the client and may be anything.
const NAME_CHARACTERS_MAX: usize = 64;

/// One field of a request that is not valid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// The field's path: `items[3].label`.
    pub field: String,
    /// What is wrong with it, and what to do.
    pub message: String,
    /// Its JSON Pointer (RFC 6901), for faults inside of a document that people write: `/rule_schema/conditions/missing`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
}

impl FieldError {
    /// A fault of a field.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into(), pointer: None }
    }
}

/// A place in a request. It costs nothing until a fault has to be reported.
#[derive(Debug, Clone, Copy)]
pub enum At<'a> {
    /// The body as a whole.
    Body,
    /// A member of an object.
    Member(&'a At<'a>, &'a str),
    /// An entry of a list, from 0.
    Entry(&'a At<'a>, usize),
}

impl At<'_> {
    /// A query parameter, a header, or a field of a form or of upload metadata.
    #[must_use]
    pub fn named(name: &str) -> At<'_> {
        At::Member(&At::Body, name)
    }

    /// Its JSON Pointer (RFC 6901), for readers that name faults by pointers.
    pub(crate) fn pointer(&self) -> String {
        match self {
            Self::Body => String::new(),
            Self::Member(parent, name) => pointer_of_member(&parent.pointer(), name),
            Self::Entry(parent, index) => format!("{}/{index}", parent.pointer()),
        }
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Body => {}
            Self::Member(parent, name) => {
                parent.write(out);
                if !out.is_empty() {
                    out.push('.');
                }
                let mut characters = name.chars();
                out.extend(characters.by_ref().take(NAME_CHARACTERS_MAX));
                if characters.next().is_some() {
                    out.push('…');
                }
            }
            Self::Entry(parent, index) => {
                parent.write(out);
                out.push_str(&format!("[{index}]"));
            }
        }
    }
}

/// The pointer of a member of the object at this one.
pub(crate) fn pointer_of_member(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut path = String::new();
        self.write(&mut path);
        f.write_str(if path.is_empty() { "(body)" } else { &path })
    }
}

/// Collects faults while a request is read.
#[derive(Debug, Default)]
pub struct Faults(Vec<FieldError>);

impl Faults {
    /// Notes one. Of several faults of one field only the first is kept: the others follow from it.
    pub fn add(&mut self, at: &At<'_>, message: impl Into<String>) {
        self.push(FieldError::new(at.to_string(), message));
    }

    /// Adds one that was found by a reader of its own.
    pub(crate) fn push(&mut self, fault: FieldError) {
        if self.0.len() < FAULTS_MAX && self.0.iter().all(|known| known.field != fault.field) {
            self.0.push(fault);
        }
    }

    /// Are there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value that was read, or all that is wrong with it.
    ///
    /// # Errors
    /// The faults, in the order in which they were found.
    pub fn into_result<T>(self, value: Option<T>) -> Result<T, Vec<FieldError>> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => {
                debug_assert!(!self.0.is_empty(), "a reader failed without saying why");
                Err(self.0)
            }
        }
    }
}
