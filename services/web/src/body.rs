//! JSON bodies: read strictly, with every fault named by its field.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, web};
use garde::Validate;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::problem::{FieldError, Problem};

/// A valid JSON body, and the hash of its bytes.
#[derive(Debug)]
pub struct Body<T> {
    /// The value.
    pub value: T,
    /// SHA-256 of the bytes that were sent; it tells two requests under one idempotency key apart.
    pub fingerprint: [u8; 32],
}

/// What is wrong with a body, field by field.
#[derive(Debug, Default)]
pub struct Problems(Vec<FieldError>);

impl Problems {
    /// Notes one.
    pub fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.0.push(FieldError { field: field.into(), message: message.into() });
    }

    /// 422 with all of them, if there are any.
    ///
    /// # Errors
    /// [`Problem::invalid`].
    pub fn into_result(self) -> Result<(), Problem> {
        if self.0.is_empty() { Ok(()) } else { Err(Problem::invalid(self.0)) }
    }
}

impl<T> FromRequest for Body<T>
where
    T: DeserializeOwned + Validate<Context = ()> + 'static,
{
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let is_json = request.content_type().eq_ignore_ascii_case("application/json");
        let bytes = web::Bytes::from_request(request, payload);
        Box::pin(async move {
            if !is_json {
                let detail = "The body must be JSON, with Content-Type: application/json.";
                return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
            }
            let bytes = bytes.await.map_err(|error| {
                let broken_off = || Problem::of_status(error.as_response_error().status_code());
                error.as_error().map_or_else(broken_off, Problem::of_body)
            })?;
            let value = parse(&bytes)?;
            validate(&value)?;
            Ok(Self { value, fingerprint: Sha256::digest(&bytes).into() })
        })
    }
}

/// Reads JSON into a type: 400 where it is not JSON, 422 naming the field where it is not the type.
///
/// # Errors
/// As said.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let value: Value = serde_json::from_slice(bytes)
        .map_err(|error| Problem::bad_request(format!("The body is not valid JSON: {error}.")))?;
    if let Some(field) = nul_in(&value, String::new()) {
        return Err(Problem::invalid_field(field, "must not contain the character NUL (\\u0000)"));
    }
    read(value)
}

/// Reads a JSON value into a type: 422 naming the field where it is not the type.
///
/// # Errors
/// As said.
pub fn read<T: DeserializeOwned>(value: Value) -> Result<T, Problem> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        Problem::invalid(vec![field_error(&path, &error.into_inner().to_string())])
    })
}

/// Checks the values of a body: 422 naming each field that is not valid.
///
/// # Errors
/// As said.
pub fn validate<T: Validate<Context = ()>>(value: &T) -> Result<(), Problem> {
    let Err(report) = value.validate() else { return Ok(()) };
    let errors = report
        .iter()
        .map(|(path, error)| {
            let path = path.to_string();
            let field = if path.is_empty() { "(body)".to_owned() } else { path };
            FieldError { field, message: error.to_string() }
        })
        .collect();
    Err(Problem::invalid(errors))
}

/// PostgreSQL stores no NUL in text or JSON.
fn nul_in(value: &Value, path: String) -> Option<String> {
    let inside = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::String(text) => text.contains('\0').then_some(path),
        Value::Array(values) => {
            values.iter().enumerate().find_map(|(index, value)| nul_in(value, format!("{path}[{index}]")))
        }
        Value::Object(map) => map.iter().find_map(|(key, value)| {
            if key.contains('\0') { Some(inside("(key)")) } else { nul_in(value, inside(key)) }
        }),
        _ => None,
    }
}

/// serde names a missing field in its message, not in its path.
fn field_error(path: &str, message: &str) -> FieldError {
    let path = if path == "." { "" } else { path };
    let missing = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    match missing {
        Some(name) => {
            let field = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            FieldError { field, message: "is required".to_owned() }
        }
        None if message.starts_with("unknown field") => {
            FieldError { field: unknown_path(path, message), message: format!("is not known: {message}") }
        }
        None => FieldError {
            field: if path.is_empty() { "(body)".to_owned() } else { path.to_owned() },
            message: message.to_owned(),
        },
    }
}

/// The path may or may not end in the unknown name already; flattened types lose it.
fn unknown_path(path: &str, message: &str) -> String {
    let name = message.split('`').nth(1).unwrap_or_default();
    if path == name || path.ends_with(&format!(".{name}")) {
        path.to_owned()
    } else if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}
