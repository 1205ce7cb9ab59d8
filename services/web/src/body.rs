//! JSON bodies: read strictly, with every fault named by its field.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, web};
use firemode_domain::input::{self, At, Faults, Input};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::Problem;

/// A valid JSON body, and the hash of its bytes.
#[derive(Debug)]
pub struct Body<T> {
    /// The value.
    pub value: T,
    /// SHA-256 of the bytes that were sent; it distinguishes two requests under one idempotency key.
    pub fingerprint: [u8; 32],
}

impl<T: Input + 'static> FromRequest for Body<T> {
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
            Ok(Self { value: parse(&bytes)?, fingerprint: Sha256::digest(&bytes).into() })
        })
    }
}

/// Reads JSON into a type: 400 where it is not JSON, 422 naming all faults by their fields where it is not the type.
///
/// # Errors
/// As said.
pub fn parse<T: Input>(bytes: &[u8]) -> Result<T, Problem> {
    let mut faults = Faults::default();
    let value = json(bytes, &mut faults)?;
    let read = T::read(value, &At::Body, &mut faults);
    faults.into_result(read).map_err(Problem::invalid)
}

/// Reads a body as JSON, noting the faults of its values.
///
/// # Errors
/// 400 where it is not JSON.
pub fn json(bytes: &[u8], faults: &mut Faults) -> Result<Value, Problem> {
    input::parse(bytes, &At::Body, faults)
        .map_err(|malformed| Problem::bad_request(format!("The body is not valid JSON: {malformed}.")))
}

/// 422 with all faults, if there are any.
///
/// # Errors
/// As said.
pub fn refuse(faults: Faults) -> Result<(), Problem> {
    faults.into_result(Some(())).map_err(Problem::invalid)
}
