//! Errors as clients see them: `application/problem+json` (RFC 9457) with members of our own.

use std::{fmt, io};

use actix_web::error::PayloadError;
use actix_web::http::header::{ALLOW, CONTENT_RANGE, HeaderName, RETRY_AFTER};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, ResponseError};
use firemode_domain::classification::ClassifyError;
use firemode_domain::input::FieldError;
use firemode_identity::IdentityError;
use firemode_storage::StorageError;
use firemode_storage::changes::RELIED_ON;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::catalogue::{self, Code};

/// A store that fails is not back in a moment: room on a disk is made by people.
const STORE_RETRY_SECONDS: u32 = 30;

/// The database is asked so often whether it takes something again.
const WRITES_RETRY_SECONDS: u32 = 5;

/// The text of an answer names so many fields; its `errors` name all.
const FIELDS_IN_DETAIL: usize = 5;

/// The body of every error.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProblemBody {
    /// Where this kind of problem is described.
    #[serde(rename = "type")]
    #[schema(example = "/docs/errors#fire-404")]
    pub kind: String,
    /// The status in words.
    #[schema(example = "Not Found")]
    pub title: String,
    /// The HTTP status.
    #[schema(example = 404)]
    pub status: u16,
    /// What happened and what to do, for people.
    pub detail: String,
    /// The path that was asked for.
    pub instance: String,
    /// Names this request in the logs of every process.
    pub transaction_id: Uuid,
    /// `FIRE-<status>` or `FIRE-<status>-<REASON>`, for programs.
    #[schema(example = "FIRE-404")]
    pub error_code: String,
    /// The same text as `detail`.
    pub message: String,
    /// Is it worth sending the same request again later?
    pub retryable: bool,
    /// The fields that are not valid; only where there are any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

/// An error on its way to a client. Handlers return it; [`crate::conventions`] gives it its body.
///
/// Boxed, so that a `Result` that almost always holds something else stays small.
#[derive(Debug, Clone)]
pub struct Problem(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    code: Code,
    detail: String,
    errors: Vec<FieldError>,
    retry_after_seconds: Option<u32>,
    /// Headers that belong to it.
    headers: Vec<(HeaderName, String)>,
    /// What really happened, for the log alone.
    cause: Option<String>,
}

impl Problem {
    /// A problem with a status and a text for the client.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self::of(Code::of_status(status), detail)
    }

    /// A problem with a code and a text for the client.
    pub fn of(code: Code, detail: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            code,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after_seconds: None,
            headers: Vec::new(),
            cause: None,
        }))
    }

    /// What a bare status means, for failures that the framework finds.
    pub fn of_status(status: StatusCode) -> Self {
        let detail = match status {
            StatusCode::BAD_REQUEST => "The request could not be read.",
            StatusCode::NOT_FOUND => "There is nothing at this address.",
            StatusCode::PAYLOAD_TOO_LARGE => "The body is larger than this route accepts.",
            StatusCode::REQUEST_TIMEOUT => "The request did not arrive in time.",
            StatusCode::RANGE_NOT_SATISFIABLE => "The range lies outside the content.",
            _ if status.is_server_error() => {
                "The request failed here. It was logged under its transaction id."
            }
            _ => "The request was refused.",
        };
        Self::new(status, detail)
    }

    /// A body that did not arrive whole: 408 where its time was over, 413 where it was too large, else 400.
    pub fn of_body(error: &PayloadError) -> Self {
        match error {
            PayloadError::Io(error) if error.kind() == io::ErrorKind::TimedOut => {
                Self::of_status(StatusCode::REQUEST_TIMEOUT)
            }
            PayloadError::Overflow => Self::of_status(StatusCode::PAYLOAD_TOO_LARGE),
            _ => Self::bad_request("The body broke off before its end."),
        }
    }

    /// 400: the request cannot be read.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 401: nobody, or nobody that we know.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, detail)
    }

    /// 403: known, and not allowed.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    /// 404: there is no such object, or it is another tenant's.
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("There is no such {what}."))
    }

    /// 405 with the methods that work.
    pub fn method_not_allowed(allow: &[Method]) -> Self {
        let names: Vec<&str> = allow.iter().map(Method::as_str).collect();
        let detail = format!("This address takes {}.", names.join(", "));
        Self::new(StatusCode::METHOD_NOT_ALLOWED, detail).with_header(ALLOW, names.join(", "))
    }

    /// 416 with the length of what there is.
    pub fn range_not_satisfiable(length_bytes: u64) -> Self {
        let length = format!("bytes */{length_bytes}");
        Self::of_status(StatusCode::RANGE_NOT_SATISFIABLE).with_header(CONTENT_RANGE, length)
    }

    fn with_header(mut self, name: HeaderName, value: String) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// 409: the first request with the same key is still running.
    pub fn in_progress() -> Self {
        let detail =
            "The first request with this Idempotency-Key is still running. Send it again in a moment.";
        Self::of(catalogue::IN_PROGRESS, detail).retry_after(1)
    }

    /// 412: the object has changed since it was read.
    pub fn precondition_failed() -> Self {
        let detail = "It has changed since you read it; read it again and repeat the change.";
        Self::new(StatusCode::PRECONDITION_FAILED, detail)
    }

    /// 422 with the fields in question.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [one] => format!("{}: {}", one.field, one.message),
            many => {
                let named: Vec<&str> =
                    many.iter().take(FIELDS_IN_DETAIL).map(|one| one.field.as_str()).collect();
                let more = if many.len() > named.len() { " and more" } else { "" };
                format!("{} fields are not valid: {}{more}.", many.len(), named.join(", "))
            }
        };
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail).about(errors)
    }

    /// 422 on one field.
    pub fn invalid_field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::invalid(vec![FieldError::new(field, message)])
    }

    /// 503: not now.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(1)
    }

    /// 500: a defect of ours; the cause goes to the log.
    pub fn internal(cause: impl fmt::Display) -> Self {
        Self::of_status(StatusCode::INTERNAL_SERVER_ERROR).caused_by(cause)
    }

    /// Says more exactly why, with the status that belongs to it.
    #[must_use]
    pub fn reason(mut self, code: Code) -> Self {
        self.0.code = code;
        self
    }

    /// Names the fields that it is about.
    #[must_use]
    pub fn about(mut self, fields: Vec<FieldError>) -> Self {
        self.0.errors = fields;
        self
    }

    /// Says when to try again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.0.retry_after_seconds = Some(seconds);
        self
    }

    /// Keeps what really happened, for the log alone.
    #[must_use]
    pub fn caused_by(mut self, cause: impl fmt::Display) -> Self {
        self.0.cause = Some(cause.to_string());
        self
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.0.code.status()
    }

    /// The fields that are not valid.
    pub fn into_errors(self) -> Vec<FieldError> {
        self.0.errors
    }

    /// What happened and what to do, for people.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// What really happened, for the log.
    pub fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// `FIRE-<status>` or `FIRE-<status>-<REASON>`.
    pub fn error_code(&self) -> String {
        self.0.code.to_string()
    }

    /// Is it worth sending the same request again later?
    pub fn is_retryable(&self) -> bool {
        self.0.code.is_retryable()
    }

    /// The body of the answer to one request.
    pub fn body(&self, transaction_id: Uuid, instance: &str) -> ProblemBody {
        let (code, status) = (self.0.code, self.status());
        ProblemBody {
            kind: code.link(),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: self.0.detail.clone(),
            instance: instance.to_owned(),
            transaction_id,
            error_code: self.error_code(),
            message: self.0.detail.clone(),
            retryable: code.is_retryable(),
            errors: self.0.errors.clone(),
        }
    }

    /// The answer to one request.
    pub fn render(&self, transaction_id: Uuid, instance: &str) -> HttpResponse {
        let (body, status) = (self.body(transaction_id, instance), self.status());
        let mut response = HttpResponse::build(status);
        if let Some(seconds) = self.0.retry_after_seconds.or(self.is_retryable().then_some(1)) {
            response.insert_header((RETRY_AFTER, seconds.to_string()));
        }
        if status == StatusCode::UNAUTHORIZED {
            response.insert_header(("WWW-Authenticate", "Bearer"));
        }
        for (name, value) in &self.0.headers {
            response.insert_header((name.clone(), value.as_str()));
        }
        response.content_type("application/problem+json").body(serde_json::to_vec(&body).unwrap_or_default())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.error_code(), self.0.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    /// The status alone; [`crate::conventions`] puts the body on, because only it knows the request.
    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.status())
    }
}

impl From<&ClassifyError> for Problem {
    fn from(error: &ClassifyError) -> Self {
        match error {
            ClassifyError::UnknownItem { .. } => Self::new(StatusCode::NOT_FOUND, error.to_string()),
            _ => Self::invalid_field(error.field(), error.to_string()),
        }
    }
}

impl From<StorageError> for Problem {
    fn from(error: StorageError) -> Self {
        match &error {
            StorageError::Unavailable(_) => {
                Self::unavailable("The database does not answer. Try again.").caused_by(error)
            }
            StorageError::Busy(_) => {
                Self::unavailable("The database has too much to do. Try again.").caused_by(error)
            }
            StorageError::NoWrites(..) => {
                let detail = "Nothing can be stored at the moment; what is stored can be read. Keep the work and send it again later.";
                Self::of(catalogue::READ_ONLY, detail).retry_after(WRITES_RETRY_SECONDS).caused_by(error)
            }
            StorageError::Schema(_) => {
                Self::unavailable("The database is not as this version needs it. Try again later.")
                    .caused_by(error)
            }
            StorageError::NoRoom(_) => {
                Self::unavailable("Many large sessions are in use at once. Try again.").caused_by(error)
            }
            StorageError::TooLarge { bytes, bytes_max } => {
                let detail = format!(
                    "The session's document would take about {bytes} bytes of memory, more than the {bytes_max} that there are for one. \
                     What needs no document can be had: the session in its list, `sync` while nothing waits, and its evidence. Go on in a \
                     new session."
                );
                Self::of(catalogue::DOCUMENT, detail)
            }
            StorageError::Stale(_) => {
                Self::unavailable("The database was just changed. Try again.").caused_by(error)
            }
            StorageError::Conflict(_) => {
                Self::unavailable("Another request was in the way. Try again.").caused_by(error)
            }
            StorageError::Store(_) => {
                let detail =
                    "The evidence store does not answer, or has no room. Keep the file and try again later.";
                Self::unavailable(detail).retry_after(STORE_RETRY_SECONDS).caused_by(error)
            }
            StorageError::Constraint(name) if name == RELIED_ON => {
                Self::unavailable("The session's document has to be read again. Try again.").caused_by(error)
            }
            // A reference or a check that the code should have looked at before; the client cannot tell which.
            StorageError::Constraint(_) | StorageError::Damaged(_) | StorageError::Database(_) => {
                Self::internal(error)
            }
        }
    }
}

impl From<IdentityError> for Problem {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::Busy => {
                Self::unavailable("Too many people sign in at once. Try again in a moment.")
            }
            IdentityError::KeyMissing => {
                let detail =
                    "Personal data cannot be read right now. The operator has to look after its keys.";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).reason(catalogue::KEYS).caused_by(error)
            }
            IdentityError::Storage(error) => error.into(),
            IdentityError::Internal(_) => Self::internal(error),
        }
    }
}
