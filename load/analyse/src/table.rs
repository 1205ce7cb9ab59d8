//! The table for people.

use std::fmt::Write as _;

use crate::run::{Route, Rule, Run, Summary};

/// A run beside the last one of its kind, and its targets.
pub(crate) fn describe(run: &Run, before: Option<&Run>) -> String {
    let Summary { users, seconds, requests, requests_per_second, limited, processors, .. } = &run.summary;
    let mut text = format!(
        "{}\n{users} users, {requests} requests in {seconds} s, {requests_per_second:.1} a second, {limited} limited; {processors} \
         processors; beside {}\n\n",
        run.title(),
        before.map_or("no run of before".to_owned(), |before| before.summary.started_at.clone()),
    );
    let head = ["requests", "errors", "p50", "p95", "p99", "max", "p95 before", "ratio"];
    line(&mut text, "milliseconds", &head.map(str::to_owned));
    for route in &run.summary.routes {
        let earlier = before.and_then(|before| like(before, route));
        line(&mut text, &route.name, &columns(route, earlier));
    }
    text.push('\n');
    for Rule { rule, observed, passed } in &run.summary.rules {
        let word = if *passed { "held" } else { "NOT HELD" };
        writeln!(text, "{word:10}{rule}: {observed}").expect("writing to a string cannot fail");
    }
    text
}

/// The same route in another run.
pub(crate) fn like<'a>(run: &'a Run, route: &Route) -> Option<&'a Route> {
    run.summary.routes.iter().find(|other| other.name == route.name)
}

/// What is shown of a route, as it stands under the table's head.
pub(crate) fn columns(route: &Route, before: Option<&Route>) -> [String; 8] {
    let time = |milliseconds: f64| format!("{milliseconds:.1}");
    [
        route.requests.to_string(),
        route.errors.to_string(),
        time(route.p50_milliseconds),
        time(route.p95_milliseconds),
        time(route.p99_milliseconds),
        time(route.max_milliseconds),
        before.map_or(String::new(), |before| time(before.p95_milliseconds)),
        before.map_or(String::new(), |before| ratio(route.p95_milliseconds, before.p95_milliseconds)),
    ]
}

fn ratio(now: f64, before: f64) -> String {
    if before > 0.0 { format!("{:.2}", now / before) } else { String::new() }
}

fn line(text: &mut String, name: &str, columns: &[String; 8]) {
    write!(text, "{name:22}").expect("writing to a string cannot fail");
    for column in columns {
        write!(text, "{column:>11}").expect("writing to a string cannot fail");
    }
    text.push('\n');
}
