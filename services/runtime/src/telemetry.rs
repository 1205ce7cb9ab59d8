//! Log lines: one subscriber for the process, on standard error.

use tracing_subscriber::EnvFilter;

use crate::settings::{LogFormat, LogSettings};

/// Starts logging. `role` names the process in JSON lines; the supervisor tags text lines itself.
///
/// # Errors
/// `log.filter` does not parse, or logging was started before.
pub fn start(settings: &LogSettings) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let filter = EnvFilter::try_new(&settings.filter)?;
    // A line that nobody reads any more is lost; telling so on the same stream would panic.
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .log_internal_errors(false);
    match settings.format {
        LogFormat::Json => {
            lines.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
        }
        LogFormat::Text => lines.with_ansi(false).try_init(),
    }
}
