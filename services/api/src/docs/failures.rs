//! Failures of requests: those that many routes have are described once, and all have one form and an example.

use actix_web::http::StatusCode;
use firemode_web::{Problem, catalogue};
use serde_json::Value;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{Components, ContentBuilder, Ref, RefOr, Response};
use uuid::Uuid;

use super::headers;

/// The media type of all of them.
const PROBLEM_JSON: &str = "application/problem+json";

/// A failure that many routes have.
pub(super) struct Failure {
    name: &'static str,
    description: &'static str,
    example: fn() -> Problem,
}

macro_rules! failures {
    ($($constant:ident = $name:literal, $description:literal, $example:expr;)+) => {
        $(pub(super) const $constant: Failure =
            Failure { name: $name, description: $description, example: || $example };)+

        /// All of them.
        const ALL: &[Failure] = &[$($constant),+];
    };
}

failures! {
    BAD_CURSOR = "BadCursor", "The cursor is not of this list and these filters.",
        Problem::of(catalogue::CURSOR, "The cursor is not of this list.");
    BAD_REQUEST = "BadRequest", "The body or a header cannot be read.",
        Problem::bad_request("The body is not JSON.");
    UNAUTHORIZED = "Unauthorized", "No access token, or one that is expired, revoked or not valid.",
        Problem::unauthorized("Send an access token.");
    FORBIDDEN = "Forbidden", "The role of the caller may not do this.",
        Problem::forbidden("Your role may not do this.");
    NOT_FOUND = "NotFound", "There is no such object, or it is another tenant's.",
        Problem::not_found("building");
    TIMEOUT = "RequestTimeout", "The body took too long to arrive.",
        Problem::of_status(StatusCode::REQUEST_TIMEOUT);
    IN_PROGRESS = "InProgress", "The first request with this Idempotency-Key is still running. Retry.",
        Problem::in_progress();
    GONE = "Gone", "The cursor is from before a restore.",
        Problem::new(StatusCode::GONE, "The cursor is from before a restore. Begin again.");
    CHANGED = "PreconditionFailed", "It has changed since it was read: the tag of `If-Match` is not its tag any more.",
        Problem::precondition_failed();
    TOO_LARGE = "ContentTooLarge", "The body is larger than this route accepts.",
        Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE);
    ADDRESS_TOO_LONG = "UriTooLong", "The address is too long; send less in it.",
        Problem::new(StatusCode::URI_TOO_LONG, "The address is too long.");
    UNSUPPORTED = "UnsupportedMediaType", "The body is of a type that this route does not take.",
        Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Send application/json.");
    INVALID = "Invalid", "A value is not valid; `errors` names each field.",
        Problem::invalid_field("name", "must not be empty");
    TOO_MANY = "TooManyRequests", "Too many requests; `Retry-After` says when to come again.",
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "Too many requests. Wait a moment.");
    INTERNAL = "InternalError", "The request failed here; it was logged under its transaction id.",
        Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR);
    UNAVAILABLE = "Unavailable", "The appliance is starting, or a part of it is not there. Retry.",
        Problem::of(catalogue::STARTING, "The appliance is starting. Try again in a moment.");
}

impl Failure {
    fn response(&self) -> Response {
        let mut response = Response::new(self.description);
        complete(&mut response, &(self.example)());
        response
    }
}

/// Declares those that many routes have.
pub(super) fn declare(components: &mut Components) {
    components.responses =
        ALL.iter().map(|known| (known.name.to_owned(), RefOr::T(known.response()))).collect();
}

/// Says that a route can fail so, unless it says more exactly how it fails with this status.
pub(super) fn add(operation: &mut Operation, failure: &Failure) {
    let status = (failure.example)().status().as_str().to_owned();
    let known = &mut operation.responses.responses;
    known.entry(status).or_insert_with(|| RefOr::Ref(Ref::from_response_name(failure.name)));
}

/// Gives the failures that a route describes itself their body, unless it has one of its own.
pub(super) fn complete_own(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        if let (RefOr::T(response), Ok(status)) = (response, status.parse::<StatusCode>())
            && (status.is_client_error() || status.is_server_error())
        {
            let example = Problem::new(status, response.description.clone());
            complete(response, &example);
        }
    }
}

fn complete(response: &mut Response, example: &Problem) {
    if response.content.is_empty() {
        let schema = Ref::from_schema_name("ProblemBody");
        let body = ContentBuilder::new().schema(Some(schema)).example(Some(shown(example))).build();
        response.content.insert(PROBLEM_JSON.to_owned(), RefOr::T(body));
    }
    headers::refer(response);
    if example.status() == StatusCode::UNAUTHORIZED {
        headers::add(response, headers::WWW_AUTHENTICATE);
    }
    if example.is_retryable() {
        headers::add(response, headers::RETRY_AFTER);
    }
}

fn shown(example: &Problem) -> Value {
    let transaction_id = Uuid::from_u128(0x019a_0000_0000_7000_8000_0000_0000_0000);
    serde_json::to_value(example.body(transaction_id, "/v1/buildings")).unwrap_or_default()
}
