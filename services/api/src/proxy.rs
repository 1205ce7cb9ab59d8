//! The way from the public port to the ingest process: bodies stream through in both directions.

use std::time::Duration;

use actix_web::body::to_bytes_limited;
use actix_web::error::PayloadError;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION,
    RETRY_AFTER, TRANSFER_ENCODING,
};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};
use firemode_runtime::telemetry::TraceContext;
use firemode_web::wire::IngestHealth;
use firemode_web::{
    IDEMPOTENCY_KEY, IDEMPOTENT_REPLAYED, Problem, RequestContext, Routed, TRANSACTION_ID, tus,
};
use hyper::{Request, Response};
use time::OffsetDateTime;
use tokio::time::timeout;
use tracing::{Instrument as _, Span, field};

use crate::ingest_client::{IngestClient, Outgoing, SendError};
use crate::principal::Principal;
use crate::state::ApiState;

/// What a client may say to the ingest process; everything else stays here, so that nothing can be smuggled in.
const REQUEST_HEADERS: [HeaderName; 9] = [
    ACCEPT,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    IDEMPOTENCY_KEY,
    HeaderName::from_static(tus::TUS_RESUMABLE),
    HeaderName::from_static(tus::UPLOAD_LENGTH),
    HeaderName::from_static(tus::UPLOAD_OFFSET),
    HeaderName::from_static(tus::UPLOAD_METADATA),
    HeaderName::from_static(tus::UPLOAD_CHECKSUM),
];

/// What the ingest process may say to a client.
const RESPONSE_HEADERS: [HeaderName; 11] = [
    CACHE_CONTROL,
    CONTENT_TYPE,
    IDEMPOTENT_REPLAYED,
    LOCATION,
    RETRY_AFTER,
    HeaderName::from_static(tus::TUS_RESUMABLE),
    HeaderName::from_static(tus::UPLOAD_LENGTH),
    HeaderName::from_static(tus::UPLOAD_OFFSET),
    HeaderName::from_static(tus::UPLOAD_EXPIRES),
    HeaderName::from_static(tus::EVIDENCE_ID),
    HeaderName::from_static(tus::EVIDENCE_RECEIPT),
];

/// Longest body of its health.
const HEALTH_BYTES_MAX: usize = 4096;

/// Largest page of figures that is passed on.
const FIGURES_BYTES_MAX: usize = 1 << 20;

/// Routes below this path bring files, over links of any speed.
const FILES: &str = "/v1/evidence";

/// Hands a request on, with an internal token instead of the client's.
pub(crate) async fn forward(
    request: &HttpRequest,
    payload: web::Payload,
    principal: &Principal,
    context: RequestContext,
    state: &ApiState,
    client: &IngestClient,
) -> Result<HttpResponse, Problem> {
    let transaction_id = context.transaction_id;
    let token = state
        .internal_key
        .issue(&principal.claims, transaction_id, OffsetDateTime::now_utc())
        .map_err(Problem::internal)?;
    let mut outgoing = Request::builder()
        .method(request.method().as_str())
        .uri(request.path())
        .header(AUTHORIZATION.as_str(), format!("Bearer {token}"))
        .header(TRANSACTION_ID.as_str(), transaction_id.to_string());
    for name in &REQUEST_HEADERS {
        if let Some(value) = request.headers().get(name) {
            outgoing = outgoing.header(name.as_str(), value.as_bytes());
        }
    }
    let span = span(request);
    let trace = request.extensions().get::<TraceContext>().cloned().unwrap_or_default().or_of(&span);
    for (name, value) in trace.headers() {
        outgoing = outgoing.header(name, value);
    }
    // What the server has taken for an address or a header and this client does not is not one that a route of ours needs.
    let outgoing = outgoing.body(body(request, payload));
    let outgoing =
        outgoing.map_err(|error| Problem::bad_request(format!("The request cannot be read: {error}.")))?;
    let is_file = Routed::of(request).pattern().is_some_and(|pattern| pattern.starts_with(FILES));
    let time_max = match is_file {
        true => Duration::from_secs(state.settings.evidence.upload_seconds_max),
        false => state.settings.ingest.response_timeout(),
    };
    let sending = client.send(outgoing, time_max).instrument(span.clone());
    let sent = state.ingest_circuit.guard(sending).await;
    note(&span, &sent);
    let (head, body) = sent.map_err(|error| failure(&error))?.into_parts();
    let status = StatusCode::from_u16(head.status.as_u16()).map_err(Problem::internal)?;
    let mut response = HttpResponse::build(status);
    for name in &RESPONSE_HEADERS {
        if let Some(value) = head.headers.get(name.as_str()) {
            let value = HeaderValue::from_bytes(value.as_bytes()).map_err(Problem::internal)?;
            response.insert_header((name.clone(), value));
        }
    }
    if status == StatusCode::NO_CONTENT {
        return Ok(response.finish());
    }
    Ok(response.body(body))
}

/// What the ingest process says of its health; none where it does not answer in time.
pub(crate) async fn health(client: &IngestClient, time_max: Duration) -> Option<IngestHealth> {
    serde_json::from_slice(&page(client, "/health", HEALTH_BYTES_MAX, time_max).await?).ok()
}

/// The figures of the ingest process; none where it does not say in time.
pub(crate) async fn figures(client: &IngestClient, time_max: Duration) -> Option<String> {
    String::from_utf8(page(client, "/metrics", FIGURES_BYTES_MAX, time_max).await?.to_vec()).ok()
}

/// A page of the ingest process about itself.
async fn page(
    client: &IngestClient,
    path: &'static str,
    bytes_max: usize,
    time_max: Duration,
) -> Option<web::Bytes> {
    let request = Request::get(path).body(Outgoing::Nothing).ok()?;
    let asked = async {
        let answer =
            client.send(request, time_max).await.ok().filter(|answer| answer.status().is_success())?;
        to_bytes_limited(answer.into_body(), bytes_max).await.ok()?.ok()
    };
    timeout(time_max, asked).await.ok()?
}

/// The span of the hop to the ingest process, from the first byte that goes there to the head of its answer.
fn span(request: &HttpRequest) -> Span {
    let method = request.method().as_str();
    tracing::info_span!(
        "proxy",
        otel.name = format_args!("{method} ingest"),
        otel.kind = "client",
        otel.status_code = field::Empty,
        http.request.method = method,
        http.response.status_code = field::Empty,
        url.path = request.path(),
    )
}

/// The body of a request. Without a head that announces one there is none.
fn body(request: &HttpRequest, payload: web::Payload) -> Outgoing {
    let size = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if size.is_none() && !request.headers().contains_key(TRANSFER_ENCODING) {
        return Outgoing::Nothing;
    }
    Outgoing::of_client(payload, size)
}

fn note<T>(span: &Span, sent: &Result<Response<T>, SendError>) {
    match sent {
        Ok(answer) => drop(span.record("http.response.status_code", answer.status().as_u16())),
        Err(_) => drop(span.record("otel.status_code", "ERROR")),
    }
}

/// What the client is told. The request may have been taken or not, so only a retry under the same key is safe.
fn failure(error: &SendError) -> Problem {
    let of_body = || {
        std::error::Error::source(match error {
            SendError::Http(error) => error,
            _ => return None,
        })?
        .downcast_ref::<PayloadError>()
    };
    let problem = match error {
        SendError::Timeout => {
            let detail = "The ingest process did not answer in time. Send the request again with the same \
                          Idempotency-Key.";
            Problem::new(StatusCode::GATEWAY_TIMEOUT, detail).retry_after(1)
        }
        _ => of_body().map_or_else(
            || {
                Problem::unavailable(
                    "The ingest process is not there right now. Send the request again with the same Idempotency-Key.",
                )
            },
            Problem::of_body,
        ),
    };
    problem.caused_by(error)
}
