//! Figures of several processes on one page, in the text format of Prometheus, which wants all samples of a family together.

use std::fmt::Write as _;

/// The label that says whose figures they are; those of the process that answers have none.
const PROCESS: &str = "process";

/// A family: its lines that begin with `#`, and its samples.
struct Family<'a> {
    name: &'a str,
    comments: Vec<&'a str>,
    samples: Vec<String>,
}

/// Adds the figures of other processes, by their names, to those of this one.
pub(crate) fn merge(own: &str, others: &[(&str, String)]) -> String {
    let mut families = Vec::new();
    add(&mut families, own, None);
    for (process, text) in others {
        add(&mut families, text, Some(process));
    }
    let mut page = String::new();
    for Family { comments, samples, .. } in &families {
        for line in comments.iter().copied().chain(samples.iter().map(String::as_str)) {
            // Writing to a string cannot fail.
            let _ = writeln!(page, "{line}");
        }
    }
    page
}

fn add<'a>(families: &mut Vec<Family<'a>>, text: &'a str, process: Option<&str>) {
    let mut at = None;
    let mut is_new = false;
    for line in text.lines().filter(|line| !line.is_empty()) {
        let named = line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE "));
        if let Some(name) = named.and_then(|rest| rest.split(' ').next()) {
            let known = families.iter().position(|family| family.name == name);
            if at.is_none() || at != known {
                is_new = known.is_none();
            }
            at = Some(known.unwrap_or_else(|| {
                families.push(Family { name, comments: Vec::new(), samples: Vec::new() });
                families.len() - 1
            }));
        }
        let Some(family) = at.and_then(|at| families.get_mut(at)) else { continue };
        if line.starts_with('#') {
            if is_new {
                family.comments.push(line);
            }
        } else {
            family.samples.push(process.map_or_else(|| line.to_owned(), |process| labelled(line, process)));
        }
    }
}

/// `name{a="b"} 1` or `name 1`, with one more label.
fn labelled(sample: &str, process: &str) -> String {
    let end = sample.find(['{', ' ']).unwrap_or(sample.len());
    let (name, rest) = sample.split_at(end);
    match rest.strip_prefix('{') {
        Some(labels) => format!("{name}{{{PROCESS}=\"{process}\",{labels}"),
        None => format!("{name}{{{PROCESS}=\"{process}\"}}{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_stands_together_and_says_of_which_process_each_sample_is() {
        let own = "# HELP a Of both.\n# TYPE a counter\na 1\n\n# TYPE b gauge\nb{route=\"/x y\"} 2\n";
        let other =
            "# HELP a Of both.\n# TYPE a counter\na 3\n\n# TYPE c histogram\nc_bucket{le=\"1\"} 4\nc_sum 5\n";
        let expected = "# HELP a Of both.\n# TYPE a counter\na 1\na{process=\"ingest\"} 3\n\
                        # TYPE b gauge\nb{route=\"/x y\"} 2\n\
                        # TYPE c histogram\nc_bucket{process=\"ingest\",le=\"1\"} 4\nc_sum{process=\"ingest\"} 5\n";
        assert_eq!(merge(own, &[("ingest", other.to_owned())]), expected);
    }
}
