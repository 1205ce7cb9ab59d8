//! Has the appliance grown? The last tenth of the time beside the second one; the first belongs to caches that fill.

use std::collections::BTreeMap;

use crate::rule::Rule;
use crate::watch::Point;

/// Within a shorter time caches still fill, and nothing is judged.
const JUDGED_SECONDS_MIN: f64 = 1_200.0;
/// So much more is no growth: allocators keep what they once took.
const MEMORY_RATIO_MAX: f64 = 1.10;
const MEMORY_SPARE_BYTES: f64 = (8 << 20) as f64;
const CONNECTIONS_SPARE: f64 = 2.0;
const FILES_SPARE: f64 = 16.0;
const MEBIBYTE: f64 = (1 << 20) as f64;

type ByProcess = BTreeMap<String, u64>;

/// Nothing where the load was too short to tell.
pub(super) fn rules(points: &[Point]) -> Vec<Rule> {
    let length = points.last().map_or(0.0, |point| point.seconds);
    if length < JUDGED_SECONDS_MIN {
        return Vec::new();
    }
    let within = |from: f64, to: f64| {
        let is_within = move |point: &&Point| (from * length..=to * length).contains(&point.seconds);
        points.iter().filter(is_within).collect::<Vec<_>>()
    };
    let (early, late) = (within(0.1, 0.2), within(0.9, 1.0));
    let judge = |what: &str, of: fn(&Point) -> &ByProcess, unit: f64, most: &dyn Fn(f64) -> f64| {
        let (early, late) = (medians(&early, of), medians(&late, of));
        let grown = |process: &String| late.get(process).is_none_or(|&late| late > most(early[process]));
        let shown = early.iter().map(|(process, &then)| {
            let now = late.get(process).copied().unwrap_or_default();
            format!("{process} {:.0} to {:.0}", then / unit, now / unit)
        });
        let observed = shown.collect::<Vec<_>>().join(", ");
        Rule::new(
            format!("{what} of no process has grown"),
            observed,
            !early.is_empty() && !early.keys().any(grown),
        )
    };
    vec![
        judge("the memory (MiB)", |point| &point.memory_bytes, MEBIBYTE, &|then| {
            then * MEMORY_RATIO_MAX + MEMORY_SPARE_BYTES
        }),
        judge("the number of database connections", |point| &point.database_connections, 1.0, &|then| {
            then + CONNECTIONS_SPARE
        }),
        judge("the number of open files", |point| &point.open_files, 1.0, &|then| then + FILES_SPARE),
    ]
}

fn medians(points: &[&Point], of: fn(&Point) -> &ByProcess) -> BTreeMap<String, f64> {
    let mut values: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (process, value) in points.iter().flat_map(|point| of(point)) {
        values.entry(process.clone()).or_default().push(*value);
    }
    let median = |mut values: Vec<u64>| {
        values.sort_unstable();
        values[values.len() / 2] as f64
    };
    values.into_iter().map(|(process, values)| (process, median(values))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An hour in which the memory of one process is what the function says.
    fn hour(bytes: impl Fn(u64) -> u64) -> Vec<Point> {
        let point = |minute: u64| Point {
            seconds: minute as f64 * 60.0,
            users: 5,
            answers_per_second: 1.0,
            limited: 0,
            errors: 0,
            p50_milliseconds: None,
            p95_milliseconds: None,
            p99_milliseconds: None,
            memory_bytes: BTreeMap::from([("ingest".to_owned(), bytes(minute))]),
            open_files: BTreeMap::from([("ingest".to_owned(), 40)]),
            database_connections: BTreeMap::from([("ingest".to_owned(), 5)]),
            restarts: Some(0),
        };
        (1..=60).map(point).collect()
    }

    #[test]
    fn what_fills_at_first_and_stays_has_not_grown() {
        let rules = rules(&hour(|minute| (40 << 20) + minute.min(5) * (4 << 20)));
        assert!(rules.iter().all(|rule| rule.passed), "{rules:?}");
    }

    #[test]
    fn what_grows_all_the_time_has_grown() {
        let rules = rules(&hour(|minute| (40 << 20) + minute * (1 << 20)));
        assert_eq!(rules.iter().map(|rule| rule.passed).collect::<Vec<_>>(), [false, true, true]);
    }

    #[test]
    fn a_short_load_says_nothing_about_growth() {
        assert!(rules(&hour(|_| 1)[..10]).is_empty());
    }
}
