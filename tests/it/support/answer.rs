//! Answers, and what all of them have in common.

use std::ops::Index;

use firemode_web::CATALOGUE;
use serde_json::Value;
use ureq::http::HeaderMap;

use super::logs::Logs;

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// Method and path of the request.
    pub(crate) what: String,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// The body where it is JSON, else null.
    pub(crate) json: Value,
    pub(super) logs: Logs,
}

impl Answer {
    /// A header's value, empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Panics with all that is known where the status is another, or the answer has no transaction id.
    pub(crate) fn expect(self, status: u16) -> Self {
        let id = self.header("x-transaction-id");
        assert!(
            self.status == status && uuid::Uuid::parse_str(id).is_ok(),
            "{} was to give {status} and gave {} (transaction {id}): {}\nwhat the log says of it:\n{}",
            self.what,
            self.status,
            String::from_utf8_lossy(&self.body[..self.body.len().min(2_000)]),
            if id.is_empty() { String::new() } else { self.logs.about(id) },
        );
        self
    }

    /// The text at a JSON Pointer.
    pub(crate) fn text(&self, pointer: &str) -> String {
        let value = self.json.pointer(pointer).and_then(Value::as_str);
        value.unwrap_or_else(|| panic!("{}: no text at {pointer} of {}", self.what, self.json)).to_owned()
    }

    /// The `id` of what was made or read.
    pub(crate) fn id(&self) -> String {
        self.text("/id")
    }

    /// Rows of a list.
    pub(crate) fn data(&self) -> &[Value] {
        self.json["data"].as_array().unwrap_or_else(|| panic!("{}: {} is no list", self.what, self.json))
    }

    /// Fields that a 422 names, in its order.
    pub(crate) fn fields(&self) -> Vec<&str> {
        let errors = self.json["errors"].as_array();
        errors.into_iter().flatten().filter_map(|error| error["field"].as_str()).collect()
    }

    /// Asserts the whole shape of a problem document with this status and code.
    pub(crate) fn problem(self, status: u16, error_code: &str) -> Self {
        let answer = self.expect(status);
        assert_eq!(answer.header("content-type"), "application/problem+json", "{}", answer.what);
        let problem = &answer.json;
        let wanted = [
            ("type", format!("/docs/errors#{}", error_code.to_lowercase()).into()),
            ("status", Value::from(status)),
            ("error_code", Value::from(error_code)),
            ("transaction_id", answer.header("x-transaction-id").into()),
            ("message", problem["detail"].clone()),
        ];
        for (member, value) in wanted {
            assert_eq!(problem[member], value, "`{member}` of {}: {problem}", answer.what);
        }
        let path = answer.what.split([' ', '?']).nth(1).unwrap_or_default();
        let instance = problem["instance"].as_str().unwrap_or_default();
        assert_eq!(
            instance.trim_end_matches('/'),
            path.trim_end_matches('/'),
            "`instance` of {}",
            answer.what
        );
        for member in ["title", "detail"] {
            assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "`{member}`: {problem}");
        }
        let is_retryable =
            matches!(status, 429 | 500 | 502 | 503 | 504) || error_code == "FIRE-409-IN-PROGRESS";
        assert_eq!(problem["retryable"], is_retryable, "{problem}");
        let retry_after = answer.header("retry-after").parse::<u32>();
        assert_eq!(retry_after.is_ok(), is_retryable, "Retry-After of {}: {problem}", answer.what);
        answer.assert_members();
        answer
    }

    /// No answer of any test carries a code that is not in the catalogue.
    pub(super) fn assert_known_code(&self) {
        if self.header("content-type") == "application/problem+json" && !self.body.is_empty() {
            let code = self.json["error_code"].as_str().unwrap_or_default();
            let is_known = CATALOGUE.iter().any(|known| known.to_string() == code);
            assert!(is_known, "{} gives a code that docs/errors.md has not: {}", self.what, self.json);
        }
    }

    /// A problem has no member that the contract does not name, and errors name field and message.
    fn assert_members(&self) {
        let known = [
            "type",
            "title",
            "status",
            "detail",
            "instance",
            "transaction_id",
            "error_code",
            "message",
            "retryable",
            "errors",
        ];
        let members = self.json.as_object().into_iter().flatten();
        for (name, _) in members {
            assert!(known.contains(&name.as_str()), "`{name}` is no member of a problem: {}", self.json);
        }
        for error in self.json["errors"].as_array().into_iter().flatten() {
            assert!(error["field"].is_string() && error["message"].is_string(), "{error}");
        }
    }

    /// Asserts 422 with exactly these fields.
    pub(crate) fn invalid(self, fields: &[&str]) -> Self {
        let answer = self.problem(422, "FIRE-422");
        let mut found = answer.fields();
        found.sort_unstable();
        let mut wanted = fields.to_vec();
        wanted.sort_unstable();
        assert_eq!(found, wanted, "{}: {}", answer.what, answer.json);
        answer
    }
}

impl Index<&str> for Answer {
    type Output = Value;

    /// A member of the JSON body.
    fn index(&self, member: &str) -> &Value {
        &self.json[member]
    }
}
