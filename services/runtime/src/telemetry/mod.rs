//! What a process reports about itself: log lines on standard error, and traces where somebody takes them.

mod export;
mod fields;
mod json;
mod sampled;
mod stderr;
#[cfg(test)]
mod tests;
mod text;
mod trace;

use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{EnvFilter, Registry};

pub use sampled::is_request_logged;
pub use stderr::lines_dropped;
pub use trace::{REQUEST_SPAN, TRACE_HEADERS, TraceContext};

use crate::settings::{LogFormat, LogSettings, Settings};

/// Telemetry could not be started.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter does not parse.
    #[error("log.filter: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// The environment asks the exporter for something that it cannot do.
    #[error("tracing.otlp_endpoint: {0}")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
    /// It was started before.
    #[error("telemetry runs already: {0}")]
    Started(#[from] TryInitError),
}

/// Keeps telemetry going. Dropped, it hands over the last spans, for a bounded time.
#[derive(Debug)]
#[must_use = "the last spans are lost without it"]
pub struct Telemetry {
    _exporter: Option<export::Exporter>,
}

/// Starts log lines and, for a process that serves requests, the export of their traces where `tracing.otlp_endpoint` is
/// set. `role` names such a process: its traces come from `firemode-<role>` unless `tracing.service_name` says otherwise.
///
/// The export has a thread of its own, so a process that must not have any yet has no role here.
///
/// # Errors
/// See [`TelemetryError`].
pub fn start(settings: &Settings, role: Option<&str>) -> Result<Telemetry, TelemetryError> {
    sampled::keep(settings.log.requests_percent);
    let exporter = match role {
        Some(role) if !settings.tracing.otlp_endpoint.is_empty() => {
            Some(export::Exporter::start(&settings.tracing, role, settings.supervisor.shutdown_seconds_max)?)
        }
        _ => None,
    };
    let spans = exporter.as_ref().map(|exporter| trace::layer(exporter.tracer()));
    let lines = lines(&settings.log, stderr::Stderr::new(settings.log.format))?;
    tracing_subscriber::registry().with(lines).with(spans).with(filter_fn(is_wanted)).try_init()?;
    Ok(Telemetry { _exporter: exporter })
}

/// Automerge opens a span for every column of every change that it reads. They are of no use, and made a quarter of what
/// reading a long history took.
fn is_wanted(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= Level::WARN || !metadata.target().starts_with("automerge")
}

type BoxedLayer = Box<dyn tracing_subscriber::Layer<Registry> + Send + Sync>;

fn lines<W>(settings: &LogSettings, writer: W) -> Result<BoxedLayer, TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(&settings.filter)?;
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).log_internal_errors(false);
    Ok(match settings.format {
        LogFormat::Json => {
            lines.fmt_fields(json::SpanFields).event_format(json::Lines).with_filter(filter).boxed()
        }
        LogFormat::Text => {
            lines.fmt_fields(text::SpanFields).event_format(text::Lines).with_filter(filter).boxed()
        }
    })
}
