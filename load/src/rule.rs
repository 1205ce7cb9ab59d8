//! What must hold, and what was seen.

use serde::Serialize;

/// Written into summary.json.
#[derive(Debug, Serialize)]
pub(crate) struct Rule {
    pub(crate) rule: String,
    pub(crate) observed: String,
    pub(crate) passed: bool,
}

impl Rule {
    pub(crate) fn new(rule: impl Into<String>, observed: impl Into<String>, passed: bool) -> Self {
        Self { rule: rule.into(), observed: observed.into(), passed }
    }
}
