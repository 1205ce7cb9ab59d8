//! The way from the public port to the ingest process: bodies stream through in both directions.

use std::time::Duration;

use actix_web::error::PayloadError;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, LOCATION,
    RETRY_AFTER,
};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};
use awc::error::{ConnectError, SendRequestError};
use awc::{Client, ClientResponse};
use firemode_runtime::settings::{IngestSettings, Settings};
use firemode_runtime::telemetry::TraceContext;
use firemode_web::{IDEMPOTENCY_KEY, IDEMPOTENT_REPLAYED, Problem, RequestContext, TRANSACTION_ID, tus};
use time::OffsetDateTime;
use tracing::{Instrument as _, Span, field};

use crate::access::Principal;
use crate::state::State;

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
const RESPONSE_HEADERS: [HeaderName; 12] = [
    CACHE_CONTROL,
    CONTENT_LENGTH,
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

/// Requests below this path bring files, over links of any speed.
const FILES: &str = "/v1/evidence";

/// Connections that one worker keeps to the ingest process; further requests wait for one.
const CONNECTIONS_MAX: usize = 512;

/// Idle connections to the ingest process are kept this long.
const KEEP_ALIVE_SECONDS: u64 = 30;

/// A client with a pool of connections, one for each worker.
pub(crate) fn client(settings: &Settings) -> Client {
    let connector = awc::Connector::new()
        .timeout(Duration::from_millis(settings.ingest.connect_milliseconds_max))
        .conn_keep_alive(Duration::from_secs(KEEP_ALIVE_SECONDS))
        .limit(CONNECTIONS_MAX);
    Client::builder()
        .connector(connector)
        .timeout(settings.ingest.response_timeout())
        .disable_redirects()
        .no_default_headers()
        .finish()
}

/// Hands a request on, with an internal token instead of the client's.
pub(crate) async fn forward(
    request: &HttpRequest,
    payload: web::Payload,
    principal: &Principal,
    context: RequestContext,
    state: &State,
    client: &Client,
) -> Result<HttpResponse, Problem> {
    let transaction_id = context.transaction_id;
    let token = state
        .internal_key
        .issue(&principal.claims, transaction_id, OffsetDateTime::now_utc())
        .map_err(Problem::internal)?;
    let url = format!("http://{}{}", state.settings.ingest.address(), request.uri().path());
    let mut outgoing = client
        .request(request.method().clone(), url)
        .insert_header((AUTHORIZATION, format!("Bearer {token}")))
        .insert_header((TRANSACTION_ID, transaction_id.to_string()));
    copy(&REQUEST_HEADERS, request.headers(), outgoing.headers_mut());
    if request.uri().path().starts_with(FILES) {
        outgoing = outgoing.timeout(Duration::from_secs(state.settings.evidence.upload_seconds_max));
    }
    let span = span(request);
    let trace = request.extensions().get::<TraceContext>().cloned().unwrap_or_default().or_of(&span);
    for header in trace.headers() {
        outgoing = outgoing.insert_header(header);
    }
    let sent = outgoing.send_stream(payload).instrument(span.clone()).await;
    note(&span, &sent);
    let answer = sent.map_err(|error| failure(&error))?;
    let mut response = HttpResponse::build(answer.status());
    for name in &RESPONSE_HEADERS {
        if let Some(value) = answer.headers().get(name) {
            response.insert_header((name.clone(), value.clone()));
        }
    }
    if answer.status() == StatusCode::NO_CONTENT {
        // A streamed body would end with a last chunk, which the next answer on the connection would seem to begin with.
        return Ok(response.finish());
    }
    Ok(response.streaming(answer))
}

/// Does the ingest process answer its own health in time?
pub(crate) async fn is_healthy(client: &Client, settings: &IngestSettings, timeout: Duration) -> bool {
    let url = format!("http://{}/health", settings.address());
    client.get(url).timeout(timeout).send().await.is_ok_and(|answer| answer.status().is_success())
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

fn note<T>(span: &Span, sent: &Result<ClientResponse<T>, SendRequestError>) {
    match sent {
        Ok(answer) => drop(span.record("http.response.status_code", answer.status().as_u16())),
        Err(_) => drop(span.record("otel.status_code", "ERROR")),
    }
}

fn copy(names: &[HeaderName], from: &HeaderMap, to: &mut HeaderMap) {
    for name in names {
        if let Some(value) = from.get(name) {
            to.insert(name.clone(), value.clone());
        }
    }
}

/// What the client is told. The request may have been taken or not, so only a retry under the same key is safe.
fn failure(error: &SendRequestError) -> Problem {
    let body = match error {
        SendRequestError::Body(body) => body.downcast_ref::<PayloadError>(),
        _ => None,
    };
    let problem = match error {
        SendRequestError::Timeout | SendRequestError::Connect(ConnectError::Timeout) => {
            let detail = "The ingest process did not answer in time. Send the request again with the same \
                          Idempotency-Key.";
            Problem::new(StatusCode::GATEWAY_TIMEOUT, detail).retry_after(1)
        }
        _ => body.map_or_else(
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
