//! What is noted of each request: its span, its line in the log and its figures.

use actix_web::dev::ServiceRequest;
use actix_web::http::{Method, StatusCode};
use firemode_runtime::telemetry::{self, REQUEST_SPAN, TraceContext};
use tracing::{Span, field};
use uuid::Uuid;

use crate::metrics::Measured;

/// The label of a request for what no route serves, with any path.
const NO_ROUTE: &str = "none";

/// A request that took this long has its line, whatever is left out.
const SLOW_MILLISECONDS: u64 = 1_000;

/// A request that is being worked on.
pub(crate) struct Observed {
    /// Everything that happens for the request happens in here.
    pub(crate) span: Span,
    /// The request's place in a trace, if it has one.
    pub(crate) trace: TraceContext,
    /// The path, as the client wrote it.
    pub(crate) path: String,
    method: &'static str,
    is_probe: bool,
    is_behind_api: bool,
    is_sampled: bool,
    measured: Measured,
}

impl Observed {
    /// Begins with the request's head, as the client wrote it, and the route that it is for.
    pub(crate) fn new(
        request: &ServiceRequest,
        route: Option<&'static str>,
        transaction_id: Uuid,
        is_behind_api: bool,
    ) -> Self {
        let path = request.path().to_owned();
        let method = known_method(request.method());
        let is_probe = is_probe(route);
        let span = span(transaction_id, method, &path, route, is_probe);
        let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        let trace = TraceContext::from_headers(header).continued_by(&span);
        if let Some(trace_id) = trace.trace_id() {
            span.record("trace_id", trace_id);
        }
        let measured = Measured::new(method, route.unwrap_or(NO_ROUTE));
        let is_sampled = telemetry::is_request_logged(transaction_id);
        Self { span, trace, path, method, is_probe, is_behind_api, is_sampled, measured }
    }

    /// Ends with the answer's head. One line a request; probes would drown the rest, so they are quieter, and so is a server
    /// behind the API about what went well: the API says the same.
    pub(crate) fn end(self, status: StatusCode, cause: Option<&str>) {
        let Self { span, path, method, is_probe, is_behind_api, is_sampled, measured, .. } = self;
        let milliseconds = u64::try_from(measured.answered(status).as_millis()).unwrap_or(u64::MAX);
        span.record("http.response.status_code", status.as_u16());
        if status.is_server_error() {
            span.record("otel.status_code", "ERROR");
        }
        let code = status.as_u16();
        let is_left_out = !is_sampled && milliseconds < SLOW_MILLISECONDS && !status.is_server_error();
        let is_quiet = is_probe || (is_behind_api && status.is_success()) || is_left_out;
        span.in_scope(|| match cause {
            Some(cause) if code == 500 => tracing::error!(milliseconds, cause, "{method} {path} {code}"),
            Some(cause) => tracing::warn!(milliseconds, cause, "{method} {path} {code}"),
            None if is_quiet => tracing::debug!(milliseconds, "{method} {path} {code}"),
            None => tracing::info!(milliseconds, "{method} {path} {code}"),
        });
    }
}

/// Fields with a dot are named as OpenTelemetry wants it.
fn span(transaction_id: Uuid, method: &'static str, path: &str, route: Option<&str>, is_probe: bool) -> Span {
    macro_rules! span {
        ($name:expr) => {
            tracing::info_span!(
                $name,
                %transaction_id,
                trace_id = field::Empty,
                otel.name = format_args!("{method}{}{}", if route.is_some() { " " } else { "" }, route.unwrap_or_default()),
                otel.kind = "server",
                otel.status_code = field::Empty,
                http.request.method = method,
                http.route = route,
                http.response.status_code = field::Empty,
                url.path = path,
            )
        };
    }
    if is_probe { span!("probe") } else { span!(REQUEST_SPAN) }
}

/// Asked again and again by machines, about this process alone.
pub(crate) fn is_probe(route: Option<&str>) -> bool {
    route.is_some_and(|route| route.starts_with("/health") || matches!(route, "/metrics" | "/memory"))
}

/// A client can make up methods; as a label there is one for all of these.
fn known_method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "_OTHER",
    }
}
