//! From the bytes of a request to what is to be merged.

use std::convert::identity;

use actix_web::http::StatusCode;
use firemode_domain::document::{Entry, Limits, Refusal, operation_count_of, split_changes};
use firemode_domain::input::{AsSent, At, Faults, Input as _};
use firemode_storage::documents::Submission;
use firemode_web::wire::ResultsBody;
use firemode_web::{Problem, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::refusal::problem_of;

/// The forms that results come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `application/json`: see [`ResultsBody`].
    Json,
    /// `application/vnd.automerge`: the bytes of one or more changes.
    Automerge,
}

/// A request as far as it can be read without its session.
#[derive(Debug)]
pub(super) struct Decoded {
    pub(super) submission: Submission,
    /// Operations of all its changes.
    pub(super) operation_count: usize,
    /// The key in the body, if there is one.
    pub(super) idempotency_key: Option<String>,
    /// SHA-256 of the body.
    pub(super) fingerprint: [u8; 32],
}

impl Form {
    /// The form of a content type: 415 for any other.
    pub(super) fn of(content_type: &str) -> Result<Self, Problem> {
        match content_type.to_ascii_lowercase().as_str() {
            "application/json" => Ok(Self::Json),
            "application/vnd.automerge" => Ok(Self::Automerge),
            _ => {
                let detail = "Results are JSON (Content-Type: application/json) or Automerge changes \
                              (application/vnd.automerge).";
                Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
            }
        }
    }
}

/// Reads a body: 400 or 422 for one that cannot be read.
pub(super) fn decode(form: Form, body: &[u8], user_id: Uuid, limits: &Limits) -> Result<Decoded, Problem> {
    let fingerprint = Sha256::digest(body).into();
    let (entries, seen, idempotency_key) = match form {
        Form::Json => {
            let body = results(body, limits)?;
            (body.changes.0, body.vector_clock, body.idempotency_key.map(|AsSent(key)| key))
        }
        Form::Automerge => {
            let changes = split_changes(body, limits).map_err(|refusal| problem_of(&refusal, identity))?;
            (changes.into_iter().map(Entry::Change).collect(), None, None)
        }
    };
    let operation_count =
        operation_count_of(&entries, limits).map_err(|refusal| problem_of(&refusal, identity))?;
    let submission = Submission { entries, seen, user_id };
    Ok(Decoded { submission, operation_count, idempotency_key, fingerprint })
}

fn results(body: &[u8], limits: &Limits) -> Result<ResultsBody, Problem> {
    let mut faults = Faults::default();
    let body = json(body, &mut faults)?;
    let (found, max) = (body["changes"].as_array().map_or(0, Vec::len), limits.request_entries_max);
    if found > max {
        return Err(problem_of(&Refusal::TooManyEntries { found, max }, identity));
    }
    let results = ResultsBody::read(body, &At::Body, &mut faults);
    faults.into_result(results).map_err(Problem::invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode_json(body: &str) -> Result<Decoded, Problem> {
        decode(Form::Json, body.as_bytes(), Uuid::nil(), &Limits::default())
    }

    fn status(result: Result<Decoded, Problem>) -> (u16, String) {
        let problem = result.expect_err("the body is not valid");
        (problem.status().as_u16(), problem.to_string())
    }

    #[test]
    fn changes_and_operations_come_in_one_list() {
        let body = r#"{"changes": ["hW9Kgw==", {"op": "set", "path": "/items/a/outcome", "value": "pass",
            "actor_id": "tablet", "timestamp": "2026-02-13T01:02:03Z"}], "vector_clock": {"ab": 3},
            "idempotency_key": "k", "_sync_meta": {"attempt": 2}}"#;
        let decoded = decode_json(body).expect("the body is valid");
        assert!(matches!(decoded.submission.entries.as_slice(), [Entry::Change(_), Entry::Operation(_)]));
        assert_eq!(decoded.submission.seen.map(|clock| clock.get("ab")), Some(3));
        assert_eq!(decoded.idempotency_key.as_deref(), Some("k"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (body, expected_status, named) in [
            ("{", 400, "not valid JSON"),
            (r#"{"changes": [], "vector_cloc": {}}"#, 422, "vector_cloc"),
            (r#"{"vector_clock": {}}"#, 422, "changes"),
            (r#"{"changes": ["hW9Kgw==", "***"]}"#, 422, "changes[1]"),
            (r#"{"changes": [{"op": "set"}]}"#, 422, "changes[0]"),
            (r#"{"changes": [], "vector_clock": {"AB": 1}}"#, 422, "vector_clock"),
            (r#"{"changes": [], "vector_clock": {"ab": 0}}"#, 422, "vector_clock"),
        ] {
            let (status, text) = status(decode_json(body));
            assert_eq!(status, expected_status, "{body}: {text}");
            assert!(text.contains(named), "{body}: {text}");
        }
    }

    #[test]
    fn too_many_entries_are_refused_as_a_whole() {
        let limits = Limits { request_entries_max: 2, ..Limits::default() };
        let result = decode(Form::Json, br#"{"changes": [0, 0, 0]}"#, Uuid::nil(), &limits);
        let (status, text) = status(result);
        assert_eq!(status, 422);
        assert!(text.contains("changes:"), "{text}");
    }

    #[test]
    fn too_much_work_is_refused_before_it_is_begun() {
        let limits = Limits { request_operations_max: 5, ..Limits::default() };
        let body = |values: &str| {
            format!(
                r#"{{"changes": [{{"op": "set", "path": "/items/a/list", "value": {values},
                "actor_id": "tablet", "timestamp": "2026-02-13T01:02:03Z"}}]}}"#
            )
        };
        let read = |values| decode(Form::Json, body(values).as_bytes(), Uuid::nil(), &limits);
        assert_eq!(read("[1, 2, 3, 4]").map(|decoded| decoded.operation_count).ok(), Some(5));
        let (status, text) = status(read("[1, 2, 3, [4]]"));
        assert_eq!(status, 422);
        assert!(text.contains("several requests"), "{text}");
    }

    #[test]
    fn bytes_that_are_no_changes_are_refused_by_their_place() {
        let result = decode(Form::Automerge, b"not automerge", Uuid::nil(), &Limits::default());
        let (status, text) = status(result);
        assert_eq!(status, 422);
        assert!(text.contains("changes[0]"), "{text}");
    }

    #[test]
    fn other_content_types_are_refused() {
        assert_eq!(Form::of("application/json").ok(), Some(Form::Json));
        assert_eq!(Form::of("Application/vnd.Automerge").ok(), Some(Form::Automerge));
        let problem = Form::of("text/plain").expect_err("plain text is no form of results");
        assert_eq!(problem.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
}
