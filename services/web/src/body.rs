//! Bodies: read whole into memory that was taken for them before; JSON read strictly, with every fault named by its field.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::web::{Bytes, BytesMut};
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use firemode_domain::input::{self, At, Faults, Input};
use futures_util::StreamExt as _;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::in_flight::announced_bytes;
use crate::{Place, Problem};

/// Read JSON takes so much for each object, which is a node of a tree, and for each other value in a list, at most.
const OBJECT_BYTES: usize = 640;
const VALUE_BYTES: usize = 64;

/// The largest body that a route reads, in bytes; data of the application or of a route.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimit(pub usize);

impl BodyLimit {
    /// That of the route that a request is for; a route without one reads nothing.
    pub fn of(request: &HttpRequest) -> usize {
        request.app_data::<Self>().map_or(0, |limit| limit.0)
    }
}

/// A valid JSON body, and what is known of its bytes.
#[derive(Debug)]
pub struct Body<T> {
    /// The value.
    pub value: T,
    /// SHA-256 of the bytes that were sent; it distinguishes two requests under one idempotency key.
    pub fingerprint: [u8; 32],
    /// How many there were.
    pub byte_count: usize,
}

impl<T: Input + 'static> FromRequest for Body<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let is_json = request.content_type().eq_ignore_ascii_case("application/json");
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            if !is_json {
                let detail = "The body must be JSON, with Content-Type: application/json.";
                return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
            }
            let bytes = collect_json(&request, payload).await?;
            Ok(Self {
                value: parse(&bytes)?,
                fingerprint: Sha256::digest(&bytes).into(),
                byte_count: bytes.len(),
            })
        })
    }
}

/// Reads the body of a request whole, and takes memory for it first: for all of it where its length is announced, else for each piece.
/// The memory belongs to the request's [`Place`].
///
/// # Errors
/// 413 where it is larger than `bytes_max`; 429 or 503 where there is no memory for it; what [`Problem::of_body`] says
/// where it does not arrive.
pub async fn collect(
    request: &HttpRequest,
    mut payload: Payload,
    bytes_max: usize,
) -> Result<Bytes, Problem> {
    let place = Place::of(request);
    let too_large = || Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE);
    let announced = announced_bytes(request.headers());
    let mut taken = announced.unwrap_or_default();
    if taken > bytes_max {
        return Err(too_large());
    }
    reserve(place.as_ref(), taken).await?;
    let mut body = BytesMut::with_capacity(taken);
    while let Some(piece) = payload.next().await {
        let piece = piece.map_err(|error| Problem::of_body(&error))?;
        let length = body.len() + piece.len();
        if length > bytes_max {
            return Err(too_large());
        }
        if length > taken {
            reserve(place.as_ref(), length - taken).await?;
            taken = length;
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

/// The same for JSON, up to the route's [`BodyLimit`]: with memory for what reading it may take.
///
/// # Errors
/// As [`collect`].
pub async fn collect_json(request: &HttpRequest, payload: Payload) -> Result<Bytes, Problem> {
    let body = collect(request, payload, BodyLimit::of(request)).await?;
    reserve(Place::of(request).as_ref(), memory_of_json(&body)).await?;
    Ok(body)
}

async fn reserve(place: Option<&Place>, bytes: usize) -> Result<(), Problem> {
    match place {
        Some(place) => place.reserve(bytes).await,
        None => Ok(()),
    }
}

/// What the values of a JSON text take once they are read, at most: its texts, and what stands around them. Characters within texts
/// are counted too, which only makes it more.
fn memory_of_json(text: &[u8]) -> usize {
    text.iter().fold(text.len(), |bytes, character| {
        bytes
            + match character {
                b'{' => OBJECT_BYTES,
                b',' | b'[' => VALUE_BYTES,
                _ => 0,
            }
    })
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
