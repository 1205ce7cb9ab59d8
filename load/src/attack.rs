//! Runs one form of a scenario with Goose.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use goose::config::GooseConfiguration;
use goose::metrics::GooseMetrics;
use goose::{GooseAttack, GooseError, GooseScheduler};

use crate::actions::Action;
use crate::scenarios::{Form, P95_MILLISECONDS_MAX, Scenario};
use crate::stage::Stage;

/// The measurements; the limits are judged in them. Writes report.html and report.json into the folder.
pub(crate) async fn run(
    scenario: &Scenario,
    form: &Form,
    base: &str,
    stage: Arc<Stage>,
    folder: &Path,
) -> Result<GooseMetrics> {
    let configuration = configuration(scenario.quick, form, base, folder)?;
    let attack = GooseAttack::initialize_with_config(configuration)?
        .set_scheduler(GooseScheduler::Random)
        .register_scenario((scenario.users)(stage)?);
    match attack.execute().await {
        Ok(metrics) => Ok(metrics),
        Err(GooseError::ThresholdsFailed { metrics, .. }) => Ok(*metrics.0),
        Err(error) => Err(error).context("the load test"),
    }
}

fn configuration(quick: &[Action], form: &Form, base: &str, folder: &Path) -> Result<GooseConfiguration> {
    let hold_seconds = form.seconds - form.ramp_seconds();
    let report = |name: &str| folder.join(name).display().to_string();
    let mut arguments = vec![
        format!("--host={base}"),
        format!("--users={}", form.users),
        format!("--increase-rate={}", form.users_started_per_second),
        format!("--run-time={hold_seconds}s"),
        format!("--report-file={}", report("report.html")),
        format!("--report-file={}", report("report.json")),
    ];
    // The ramp counts too. Times of transactions and scenarios would say nothing: they include waiting for what is due.
    // A limit that is not held does not end the run: the whole picture is worth more.
    let switches = [
        "--quiet",
        "--no-print-metrics",
        "--no-reset-metrics",
        "--no-transaction-metrics",
        "--no-scenario-metrics",
        "--no-telnet",
        "--no-threshold-abort",
    ];
    arguments.extend(switches.map(str::to_owned));
    arguments.extend(rules(quick).into_iter().map(|rule| format!("--threshold={rule}")));
    Ok(GooseConfiguration::parse_args_default(&arguments)?)
}

/// The limits in Goose's words. A request that was never made fails its rule.
fn rules(quick: &[Action]) -> Vec<String> {
    let latency =
        quick.iter().map(|action| format!("p95<{P95_MILLISECONDS_MAX}ms for POST {}", action.name()));
    latency.chain(["error-rate<=0%".to_owned()]).collect()
}
