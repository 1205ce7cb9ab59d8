//! What the two forms of a log line have in common.

use tracing::Subscriber;
use tracing_subscriber::fmt::{FmtContext, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// The field of a request's span that every line of the request carries.
pub(super) const TRANSACTION_ID: &str = "transaction_id";

/// The name that a field of a request's span has in log lines. Traces name fields as OpenTelemetry does; log lines are read
/// more often and are shorter. Other fields with a dot in their names are for traces alone.
pub(super) fn short_name(field: &str) -> Option<&str> {
    match field {
        "http.request.method" => Some("method"),
        "url.path" => Some("path"),
        "http.route" => Some("route"),
        "http.response.status_code" => Some("status"),
        other => (!other.contains('.')).then_some(other),
    }
}

/// Gives what the outermost span has noted, which is the request that the line belongs to.
pub(super) fn of_request<S, N, T>(context: &FmtContext<'_, S, N>, look: impl FnOnce(&str) -> T) -> Option<T>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    let request = context.event_scope()?.from_root().next()?;
    let extensions = request.extensions();
    extensions.get::<FormattedFields<N>>().map(|noted| look(&noted.fields))
}
