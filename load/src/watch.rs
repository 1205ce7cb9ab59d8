//! Looks at both ends while the load runs: a line for people every ten seconds, and a series for the charts.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::api::Api;
use crate::figures::Figures;
use crate::progress::{Counts, Progress};
use crate::token::Token;

const LINE_SECONDS: u64 = 10;
/// A series has about so many points, whatever the time that it covers.
const POINTS: u64 = 360;
/// Longest time that the appliance may take to say how it is.
const FIGURES_SECONDS_MAX: u64 = 5;

/// What was seen in one span of time. Written into series.json.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Point {
    /// The end of the span, from the start of the load.
    pub(crate) seconds: f64,
    pub(crate) users: usize,
    pub(crate) answers_per_second: f64,
    pub(crate) limited: usize,
    pub(crate) errors: usize,
    /// Of the answers of this span; none without any.
    pub(crate) p50_milliseconds: Option<f32>,
    pub(crate) p95_milliseconds: Option<f32>,
    pub(crate) p99_milliseconds: Option<f32>,
    /// By process; empty where the appliance did not say.
    pub(crate) memory_bytes: BTreeMap<String, u64>,
    pub(crate) open_files: BTreeMap<String, u64>,
    pub(crate) database_connections: BTreeMap<String, u64>,
    /// Starts of processes after the first ones.
    pub(crate) restarts: Option<u64>,
}

/// Looks until it is stopped.
pub(crate) struct Watch {
    stop: watch::Sender<bool>,
    task: JoinHandle<Vec<Point>>,
}

/// How far it has come.
struct Look {
    api: Api,
    token: Token,
    started: Instant,
    /// The end of the last span.
    last: Instant,
    points: Vec<Point>,
    /// What the next line will say, and since when.
    line: Counts,
    line_since: Instant,
}

impl Watch {
    /// Starts to look, as an admin, at a load that lasts so long.
    pub(crate) fn start(api: Api, token: Token, progress: Arc<Progress>, load_seconds: u64) -> Self {
        let (stop, mut stopped) = watch::channel(false);
        let task = tokio::spawn(async move {
            let now = Instant::now();
            let mut look = Look::at(api, token, now);
            let period = Duration::from_secs((load_seconds / POINTS).clamp(1, LINE_SECONDS));
            let mut ticks = interval_at(now + period, period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    _ = stopped.changed() => return look.points,
                    _ = ticks.tick() => look.again(progress.take()).await,
                }
            }
        });
        Self { stop, task }
    }

    /// Stops; what was seen until now.
    pub(crate) async fn stop(self) -> Vec<Point> {
        // Where the task is gone already, nobody listens.
        let _ = self.stop.send(true);
        self.task.await.unwrap_or_default()
    }
}

impl Look {
    fn at(api: Api, token: Token, now: Instant) -> Self {
        Self {
            api,
            token,
            started: now,
            last: now,
            points: Vec::new(),
            line: Counts::default(),
            line_since: now,
        }
    }

    async fn again(&mut self, counts: Counts) {
        let figures = self.figures().await;
        let now = Instant::now();
        let span = now - self.last;
        self.last = now;
        self.points.push(point(now - self.started, span, counts.clone(), figures));
        self.line.users = counts.users;
        self.line.slow += counts.slow;
        self.line.limited += counts.limited;
        self.line.wrong += counts.wrong;
        self.line.milliseconds.extend(counts.milliseconds);
        if (now - self.line_since).as_secs_f64() + 0.5 >= LINE_SECONDS as f64 {
            let text = line(&std::mem::take(&mut self.line), now - self.line_since);
            println!("{:>5} s  {text}", self.started.elapsed().as_secs());
            self.line_since = now;
        }
    }

    async fn figures(&self) -> Option<Figures> {
        let request = self.api.get("/metrics").bearer_auth(self.token.now());
        let answer = request.timeout(Duration::from_secs(FIGURES_SECONDS_MAX)).send().await.ok()?;
        let text = answer.error_for_status().ok()?.text().await.ok()?;
        Some(Figures::parse(&text))
    }
}

/// Writes series.json.
pub(crate) fn write(points: &[Point], folder: &Path) -> Result<()> {
    let path = folder.join("series.json");
    fs::write(&path, serde_json::to_vec(points)?).with_context(|| format!("writing {}", path.display()))
}

fn point(at: Duration, span: Duration, mut counts: Counts, figures: Option<Figures>) -> Point {
    counts.milliseconds.sort_by(f32::total_cmp);
    let times = &counts.milliseconds;
    let percentile =
        |percent: usize| times.get((times.len() * percent / 100).min(times.len().saturating_sub(1)));
    let restarts = figures.as_ref().map(|figures| figures.restarts);
    let figures = figures.unwrap_or_default();
    Point {
        seconds: at.as_secs_f64(),
        users: counts.users,
        answers_per_second: times.len() as f64 / span.as_secs_f64().max(0.001),
        limited: counts.limited,
        errors: counts.wrong,
        p50_milliseconds: percentile(50).copied(),
        p95_milliseconds: percentile(95).copied(),
        p99_milliseconds: percentile(99).copied(),
        memory_bytes: figures.memory_bytes,
        open_files: figures.open_files,
        database_connections: figures.database_connections,
        restarts,
    }
}

fn line(counts: &Counts, span: Duration) -> String {
    let right = counts.milliseconds.len();
    format!(
        "{} users, {:.1} answers a second, {:.1} % of them too slow; {} limited, {} errors",
        counts.users,
        right as f64 / span.as_secs_f64(),
        100.0 * counts.slow as f64 / right.max(1) as f64,
        counts.limited,
        counts.wrong,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_has_the_percentiles_of_its_span() {
        let counts =
            Counts { milliseconds: (1..=100).map(|n| n as f32).rev().collect(), ..Counts::default() };
        let point = point(Duration::from_secs(20), Duration::from_secs(10), counts, None);
        assert_eq!((point.p50_milliseconds, point.p95_milliseconds), (Some(51.0), Some(96.0)));
        assert_eq!((point.seconds, point.answers_per_second, point.restarts), (20.0, 10.0, None));
    }

    #[test]
    fn a_span_without_answers_has_no_percentiles() {
        let point = point(Duration::from_secs(1), Duration::from_secs(1), Counts::default(), None);
        assert_eq!(point.p99_milliseconds, None);
    }
}
