//! What a run showed: as JSON for machines, as a table for people.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use chrono::{DateTime, SecondsFormat, Utc};
use goose::metrics::{GooseMetrics, GooseRequestMetricAggregate};
use serde::Serialize;

use crate::actions::LIMITED;
use crate::memory::Memory;
use crate::rule::Rule;
use crate::scenarios::{Form, INGEST_BYTES_MAX, P95_MILLISECONDS_MAX, Scenario};

const MEBIBYTE: f64 = (1 << 20) as f64;

/// One form's run. Written as summary.json.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    scenario: &'static str,
    form: &'static str,
    is_short: bool,
    started_at: String,
    /// Processors that the load generator may use; where it runs beside the product, both share them.
    processors: usize,
    users: usize,
    seconds: usize,
    requests: usize,
    requests_per_second: f64,
    /// Answers 429, which count neither as served nor as errors.
    limited: usize,
    errors: Vec<Failure>,
    routes: Vec<Route>,
    /// Of the ingest process; absent where INGEST_URL is not set.
    ingest_memory: Option<Memory>,
    limits: Limits,
    rules: Vec<Rule>,
    /// Whether every rule was held.
    pub(crate) passed: bool,
}

/// Times from when a request was due to the end of its answer.
#[derive(Debug, Serialize)]
struct Route {
    name: String,
    requests: usize,
    errors: usize,
    p50_milliseconds: f64,
    p95_milliseconds: f64,
    p99_milliseconds: f64,
    max_milliseconds: f64,
}

/// The lines that charts draw.
#[derive(Debug, Serialize)]
struct Limits {
    /// Absent where no action has to be quick.
    p95_milliseconds_max: Option<u64>,
    ingest_bytes_max: u64,
}

#[derive(Debug, Serialize)]
struct Failure {
    name: String,
    error: String,
    occurrences: usize,
}

/// A new folder for the reports of a run.
pub(crate) fn folder(results: &Path, scenario: &str, form: &str) -> Result<PathBuf> {
    let time = Utc::now().format("%Y%m%dT%H%M%SZ");
    let folder = results.join(format!("{time}-{scenario}-{form}"));
    fs::create_dir_all(&folder).with_context(|| format!("making the folder {}", folder.display()))?;
    Ok(folder)
}

impl Summary {
    pub(crate) fn of(
        scenario: &Scenario,
        form: &Form,
        is_short: bool,
        started_at: DateTime<Utc>,
        metrics: &GooseMetrics,
        memory: Option<Memory>,
        afterwards: Vec<Rule>,
    ) -> Self {
        let aggregates = || metrics.requests.values();
        let (limited, served): (Vec<_>, Vec<_>) = aggregates().partition(|row| row.custom_method == LIMITED);
        let mut routes: Vec<Route> = served.into_iter().map(Route::of).collect();
        routes.sort_by(|a, b| a.name.cmp(&b.name));
        let requests: usize = aggregates().map(|row| row.raw_data.counter).sum();
        let mut rules = rules(metrics, memory.as_ref());
        rules.push(Rule::new(
            format!("at least {} requests", form.requests_min),
            requests.to_string(),
            requests as u64 >= form.requests_min,
        ));
        rules.extend(afterwards);
        Self {
            scenario: scenario.name,
            form: form.name,
            is_short,
            started_at: started_at.to_rfc3339_opts(SecondsFormat::Secs, true),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            users: form.users,
            seconds: metrics.duration,
            requests,
            requests_per_second: requests as f64 / metrics.duration.max(1) as f64,
            limited: limited.iter().map(|row| row.raw_data.counter).sum(),
            errors: failures(metrics),
            routes,
            ingest_memory: memory,
            limits: Limits {
                p95_milliseconds_max: (!scenario.quick.is_empty()).then_some(P95_MILLISECONDS_MAX),
                ingest_bytes_max: INGEST_BYTES_MAX,
            },
            passed: rules.iter().all(|rule| rule.passed),
            rules,
        }
    }

    /// Writes summary.json.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join("summary.json");
        let json = serde_json::to_vec_pretty(self)?;
        fs::write(&path, json).with_context(|| format!("writing {}", path.display()))
    }

    pub(crate) fn describe(&self) -> String {
        let mut text = format!(
            "{} / {}: {} requests in {} s, {:.0} a second; {} limited (429)\n\n",
            self.scenario, self.form, self.requests, self.seconds, self.requests_per_second, self.limited
        );
        line(
            &mut text,
            &format!(
                "{:22}{:>9}{:>8}{:>9}{:>9}{:>9}{:>9}",
                "milliseconds", "requests", "errors", "p50", "p95", "p99", "max"
            ),
        );
        for route in &self.routes {
            line(&mut text, &route.describe());
        }
        for Failure { name, error, occurrences } in &self.errors {
            line(&mut text, &format!("{occurrences} times {name}: {error}"));
        }
        line(&mut text, "");
        for Rule { rule, observed, passed } in &self.rules {
            line(&mut text, &format!("{} {rule}: {observed}", if *passed { "held   " } else { "NOT HELD" }));
        }
        text
    }
}

impl Route {
    fn of(row: &GooseRequestMetricAggregate) -> Self {
        let milliseconds = |microseconds: u64| microseconds as f64 / 1_000.0;
        let percentile = |percent| milliseconds(row.raw_data.percentile_us(percent));
        Self {
            name: row.path.clone(),
            requests: row.raw_data.counter,
            errors: row.fail_count,
            p50_milliseconds: percentile(0.5),
            p95_milliseconds: percentile(0.95),
            p99_milliseconds: percentile(0.99),
            max_milliseconds: milliseconds(row.raw_data.maximum_time_us),
        }
    }

    fn describe(&self) -> String {
        let Self { name, requests, errors, .. } = self;
        format!(
            "{name:22}{requests:>9}{errors:>8}{:>9.1}{:>9.1}{:>9.1}{:>9.1}",
            self.p50_milliseconds, self.p95_milliseconds, self.p99_milliseconds, self.max_milliseconds
        )
    }
}

fn failures(metrics: &GooseMetrics) -> Vec<Failure> {
    let requests = metrics.errors.values().map(|row| Failure {
        name: row.name.clone(),
        error: row.error.clone(),
        occurrences: row.occurrences,
    });
    let transactions = metrics.transaction_errors.values().map(|row| Failure {
        name: row.transaction_name.clone(),
        error: row.error.clone(),
        occurrences: row.occurrences,
    });
    let mut failures: Vec<Failure> = requests.chain(transactions).collect();
    failures.sort_by_key(|failure| std::cmp::Reverse(failure.occurrences));
    failures
}

/// What was judged while it ran. An action that failed before its request could be made is an error as well.
fn rules(metrics: &GooseMetrics, memory: Option<&Memory>) -> Vec<Rule> {
    let judged = metrics.thresholds.iter();
    let judged = judged.map(|result| Rule::new(&result.rule, &result.observed, result.passed));
    let not_sent: usize = metrics.transaction_errors.values().map(|row| row.occurrences).sum();
    let sent = Rule::new("every action made its request", format!("{not_sent} did not"), not_sent == 0);
    let memory = memory.map(|memory| {
        let most = memory.rss_bytes_max as f64 / MEBIBYTE;
        Rule::new(
            format!("ingest process under {:.0} MiB", INGEST_BYTES_MAX as f64 / MEBIBYTE),
            format!("{most:.1} MiB at most in {} samples, {} missed", memory.samples, memory.missed),
            memory.samples > 0 && memory.rss_bytes_max < INGEST_BYTES_MAX,
        )
    });
    judged.chain([sent]).chain(memory).collect()
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("writing to a string cannot fail");
}
