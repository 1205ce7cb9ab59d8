//! One page about a run, with everything in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::chart::{Chart, Line, escape};
use crate::run::{Limits, Point, Rule, Run};
use crate::table;

const MEBIBYTE: f64 = (1 << 20) as f64;

const STYLE: &str = "body{font:15px system-ui;max-width:960px;margin:2em auto;color:#222}\
    table{border-collapse:collapse}td,th{padding:.2em .8em;text-align:right;border-bottom:1px solid #ddd}\
    td:first-child,th:first-child{text-align:left}.missed{color:#b00;font-weight:bold}\
    figure{margin:1.5em 0}figcaption span{margin-left:.8em;font-weight:bold}\
    svg text{font-size:11px;fill:#555}.grid{stroke:#e5e5e5}.limit{stroke:#b00;stroke-dasharray:6 4}\
    polyline{fill:none;stroke-width:1.5}";

/// Writes analysis.html into the folder of the run.
pub(crate) fn write(run: &Run, before: Option<&Run>) -> Result<PathBuf> {
    let title = escape(&run.title());
    let charts: String = charts(&run.points, &run.summary.limits).iter().map(Chart::draw).collect();
    let page = format!(
        "<!doctype html><meta charset=\"utf-8\"><title>{title}</title><style>{STYLE}</style>\n<h1>{title}</h1>\n{}{}{charts}",
        rules(&run.summary.rules),
        routes(run, before),
    );
    let path = run.folder.join("analysis.html");
    fs::write(&path, page).with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}

fn rules(rules: &[Rule]) -> String {
    let row = |Rule { rule, observed, passed }: &Rule| {
        let (class, word) = if *passed { ("", "held") } else { ("missed", "not held") };
        format!(
            "<tr class=\"{class}\"><td>{}</td><td>{}</td><td>{word}</td></tr>\n",
            escape(rule),
            escape(observed)
        )
    };
    let rows: String = rules.iter().map(row).collect();
    format!("<table><tr><th>target</th><th>seen</th><th></th></tr>\n{rows}</table>\n")
}

fn routes(run: &Run, before: Option<&Run>) -> String {
    let cells = |columns: [String; 8]| columns.map(|column| format!("<td>{column}</td>")).concat();
    let rows = run.summary.routes.iter().map(|route| {
        let earlier = before.and_then(|before| table::like(before, route));
        format!("<tr><td>{}</td>{}</tr>\n", escape(&route.name), cells(table::columns(route, earlier)))
    });
    let rows: String = rows.collect();
    let since = before.map_or("no run of before".to_owned(), |before| escape(&before.summary.started_at));
    format!(
        "<h2>Times in milliseconds, beside {since}</h2><table><tr><th></th><th>requests</th><th>errors</th><th>p50</th><th>p95</th>\
         <th>p99</th><th>max</th><th>p95 before</th><th>ratio</th></tr>\n{rows}</table>\n"
    )
}

fn charts(points: &[Point], limits: &Limits) -> Vec<Chart<'static>> {
    let one = |name: &str, of: &dyn Fn(&Point) -> Option<f64>| Line {
        name: name.to_owned(),
        points: points.iter().filter_map(|point| Some((point.seconds, of(point)?))).collect(),
    };
    let chart = |title, unit, lines, limit| Chart { title, unit, lines, limit };
    vec![
        chart(
            "time of an answer",
            "ms",
            vec![
                one("p50", &|point| point.p50_milliseconds),
                one("p95", &|point| point.p95_milliseconds),
                one("p99", &|point| point.p99_milliseconds),
            ],
            limits.p95_milliseconds_max,
        ),
        chart("answers", "a second", vec![one("answers", &|point| Some(point.answers_per_second))], None),
        chart("users", "", vec![one("users", &|point| Some(point.users))], None),
        chart(
            "memory of each process",
            "MiB",
            by_process(points, |point| &point.memory_bytes, MEBIBYTE),
            limits.ingest_bytes_max.map(|bytes| bytes / MEBIBYTE),
        ),
        chart(
            "connections to the database",
            "",
            by_process(points, |point| &point.database_connections, 1.0),
            None,
        ),
        chart("open files and connections", "", by_process(points, |point| &point.open_files, 1.0), None),
        chart(
            "starts of processes after the first",
            "",
            vec![one("restarts", &|point| point.restarts)],
            None,
        ),
        chart(
            "errors and limited answers",
            "in each span",
            vec![one("errors", &|point| Some(point.errors)), one("limited", &|point| Some(point.limited))],
            None,
        ),
    ]
}

/// A line for each process.
fn by_process(points: &[Point], of: fn(&Point) -> &BTreeMap<String, f64>, unit: f64) -> Vec<Line> {
    let processes: BTreeSet<&String> = points.iter().flat_map(|point| of(point).keys()).collect();
    let line = |process: &String| {
        let values = points.iter().filter_map(|point| Some((point.seconds, of(point).get(process)? / unit)));
        Line { name: process.clone(), points: values.collect() }
    };
    processes.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_process_has_a_line_of_its_own() {
        let points: Vec<Point> = serde_json::from_str(
            r#"[{"seconds": 1, "users": 1, "answers_per_second": 2, "limited": 0, "errors": 0, "p50_milliseconds": null,
                 "p95_milliseconds": null, "p99_milliseconds": 3, "memory_bytes": {"api": 1048576, "ingest": 2097152},
                 "open_files": {}, "database_connections": {}, "restarts": null}]"#,
        )
        .expect("a series");
        let lines = by_process(&points, |point| &point.memory_bytes, MEBIBYTE);
        let drawn: Vec<_> = lines.iter().map(|line| (line.name.as_str(), line.points.clone())).collect();
        assert_eq!(drawn, [("api", vec![(1.0, 1.0)]), ("ingest", vec![(1.0, 2.0)])]);
    }
}
