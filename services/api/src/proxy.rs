//! The way from the public port to the ingest process. Small bodies are read whole and then handed on; large ones stream through, and
//! answers do.

use std::time::Duration;

use actix_web::body::to_bytes_limited;
use actix_web::error::PayloadError;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION,
    RETRY_AFTER,
};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};
use firemode_runtime::telemetry::TraceContext;
use firemode_web::wire::IngestHealth;
use firemode_web::{
    IDEMPOTENCY_KEY, IDEMPOTENT_REPLAYED, Problem, RequestContext, Routed, TRANSACTION_ID, announced_bytes,
    collect, tus,
};
use hyper::{Request, Response};
use time::OffsetDateTime;
use tokio::time::timeout;
use tracing::{Instrument as _, Span, field};
use uuid::Uuid;

use crate::ingest_client::{ConnectionPlace, IngestClient, Outgoing, SendError, TooManyLarge};
use crate::principal::Principal;
use crate::state::ApiState;

/// What a client may say to the ingest process, beside what uploads need; everything else stays here, so that nothing can be
/// smuggled in.
const REQUEST_HEADERS: [HeaderName; 4] = [ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, IDEMPOTENCY_KEY];

/// What the ingest process may say to a client, beside what it says of an upload.
const RESPONSE_HEADERS: [HeaderName; 5] =
    [CACHE_CONTROL, CONTENT_TYPE, IDEMPOTENT_REPLAYED, LOCATION, RETRY_AFTER];

/// Longest body of its health.
const HEALTH_BYTES_MAX: usize = 4096;

/// Largest page of figures that is passed on.
const FIGURES_BYTES_MAX: usize = 1 << 20;

/// Routes below this path bring files, over links of any speed.
const FILES: &str = "/v1/evidence";

/// And below this one, pieces of files.
const CHUNKS: &str = "/v1/evidence/uploads/";

/// A large body may be sent again after this time: another one has arrived by then.
const LARGE_RETRY_SECONDS: u32 = 2;

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
    for name in REQUEST_HEADERS.iter().chain(&tus::REQUEST_HEADERS) {
        if let Some(value) = request.headers().get(name) {
            outgoing = outgoing.header(name.as_str(), value.as_bytes());
        }
    }
    let span = span(request);
    let trace = request.extensions().get::<TraceContext>().cloned().unwrap_or_default().or_of(&span);
    for (name, value) in trace.headers() {
        outgoing = outgoing.header(name, value);
    }
    let (body, place) = body(request, payload, principal.user_id, state, client).await?;
    // What the server has taken for an address or a header and this client does not is not one that a route of ours needs.
    let outgoing = outgoing.body(body);
    let outgoing =
        outgoing.map_err(|error| Problem::bad_request(format!("The request cannot be read: {error}.")))?;
    let is_file = Routed::of(request).pattern().is_some_and(|pattern| pattern.starts_with(FILES));
    let time_max = match is_file {
        true => Duration::from_secs(state.settings.evidence.upload_seconds_max),
        false => state.settings.ingest.response_timeout(),
    };
    let sending = client.send(outgoing, place, time_max).instrument(span.clone());
    let sent = state.ingest_circuit.guard(sending).await;
    note(&span, &sent);
    let (head, body) = sent.map_err(|error| failure(&error))?.into_parts();
    let status = StatusCode::from_u16(head.status.as_u16()).map_err(Problem::internal)?;
    let mut response = HttpResponse::build(status);
    for name in RESPONSE_HEADERS.iter().chain(&tus::RESPONSE_HEADERS) {
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
        let answer = client.send(request, Some(ConnectionPlace::beside()), time_max).await.ok()?;
        let body = answer.status().is_success().then(|| answer.into_body())?;
        to_bytes_limited(body, bytes_max).await.ok()?.ok()
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

/// The body of a request; with it, for one that is still on its way, its place among the connections. Without a head that announces one
/// there is none.
async fn body(
    request: &HttpRequest,
    payload: web::Payload,
    user_id: Uuid,
    state: &ApiState,
    client: &IngestClient,
) -> Result<(Outgoing, Option<ConnectionPlace>), Problem> {
    let small_bytes_max = state.settings.server.small_body_bytes_max;
    // What arrives of a chunk counts even if the rest never does, so that is not read ahead.
    let is_chunk = Routed::of(request).pattern().is_some_and(|pattern| pattern.starts_with(CHUNKS));
    match announced_bytes(request.headers()) {
        Some(0) => Ok((Outgoing::Nothing, None)),
        Some(bytes) if bytes <= small_bytes_max && !is_chunk => {
            let body = collect(request, payload.into_inner(), small_bytes_max).await?;
            Ok((Outgoing::Whole(Some(body)), None))
        }
        announced => {
            let place = client.place_for_large(user_id).map_err(too_many_large)?;
            let size = announced.map(|bytes| bytes as u64);
            Ok((Outgoing::of_client(payload, size), Some(place)))
        }
    }
}

fn too_many_large(why: TooManyLarge) -> Problem {
    match why {
        TooManyLarge::OfUser => {
            let detail = "You have as many large bodies on their way as you may have. Send this one when another has arrived.";
            Problem::new(StatusCode::TOO_MANY_REQUESTS, detail)
        }
        TooManyLarge::OfAll => {
            Problem::unavailable("As many large bodies are on their way as there is room for. Send this one in a moment.")
        }
    }
    .retry_after(LARGE_RETRY_SECONDS)
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
