//! The times and counts that supervision keeps to.

use std::time::Duration;

use firemode_runtime::settings::SupervisorSettings;

/// The times and counts that supervision keeps to; `config/default.toml` says what each one is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// A stop of everything fits into this.
    pub shutdown_max: Duration,
    /// Longest delay before a restart.
    pub backoff_max: Duration,
    /// Ready for this long: earlier failures are forgotten.
    pub backoff_forget: Duration,
    /// Failures in a row that make a crash loop.
    pub crash_loop_failures: u32,
    /// Time between two probes.
    pub probe_interval: Duration,
    /// How long one probe may take.
    pub probe_timeout: Duration,
    /// Failed probes in a row that make a child count as hung.
    pub probe_failures_max: u32,
    /// A child that is not ready after this long is replaced.
    pub start_max: Duration,
    /// After a handover the earlier generation has this long to finish its requests.
    pub handover_max: Duration,
    /// A child that waits longer than this for its next start is stood in for.
    pub stand_in_after: Duration,
}

impl From<&SupervisorSettings> for Policy {
    fn from(settings: &SupervisorSettings) -> Self {
        Self {
            shutdown_max: Duration::from_secs(settings.shutdown_seconds_max),
            backoff_max: Duration::from_secs(settings.backoff_seconds_max),
            backoff_forget: Duration::from_secs(settings.backoff_forget_seconds),
            crash_loop_failures: settings.crash_loop_failures,
            probe_interval: Duration::from_millis(settings.probe_interval_milliseconds),
            probe_timeout: Duration::from_millis(settings.probe_timeout_milliseconds),
            probe_failures_max: settings.probe_failures_max,
            start_max: Duration::from_secs(settings.start_seconds_max),
            handover_max: Duration::from_secs(settings.handover_seconds_max),
            stand_in_after: Duration::from_millis(settings.stand_in_milliseconds),
        }
    }
}
