//! What the appliance says of itself: `GET /metrics`, in Prometheus' text format.

use std::collections::BTreeMap;

/// One look at the appliance.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Figures {
    /// Resident memory of each process, in bytes.
    pub(crate) memory_bytes: BTreeMap<String, u64>,
    /// Files and connections that each process has open.
    pub(crate) open_files: BTreeMap<String, u64>,
    /// Connections to the database that each process holds.
    pub(crate) database_connections: BTreeMap<String, u64>,
    /// Starts of processes after the first ones.
    pub(crate) restarts: u64,
}

/// The process that answers has no label.
const ANSWERING: &str = "api";

impl Figures {
    pub(crate) fn parse(text: &str) -> Self {
        let mut figures = Self::default();
        for (name, process, value) in text.lines().filter_map(sample) {
            match name {
                "firemode_child_memory_bytes" => figures.memory_bytes.insert(process, value),
                "firemode_child_open_files" => figures.open_files.insert(process, value),
                "firemode_database_connections" => figures.database_connections.insert(process, value),
                "firemode_child_restarts_total" => {
                    figures.restarts += value;
                    None
                }
                _ => None,
            };
        }
        figures
    }
}

/// Name, process and value of a line.
fn sample(line: &str) -> Option<(&str, String, u64)> {
    let (head, value) = line.rsplit_once(' ')?;
    let value: f64 = value.parse().ok()?;
    let (name, labels) = head.split_once('{').unwrap_or((head, ""));
    let label = |key: &str| labels.split_once(&format!("{key}=\""))?.1.split('"').next();
    let process = label("child").or_else(|| label("process")).unwrap_or(ANSWERING);
    Some((name, process.to_owned(), value as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_process_has_its_figures() {
        let figures = Figures::parse(
            "# TYPE firemode_child_memory_bytes gauge\n\
             firemode_child_memory_bytes{child=\"api\"} 1024\n\
             firemode_child_memory_bytes{child=\"worker\"} 2.048e3\n\
             firemode_child_restarts_total{child=\"api\"} 2\n\
             firemode_child_restarts_total{child=\"ingest\"} 1\n\
             firemode_database_connections 7\n\
             firemode_database_connections{process=\"ingest\"} 5\n\
             firemode_http_requests_total{method=\"GET\",status=\"200\"} 9\n",
        );
        let of = |figures: &[(&str, u64)]| {
            figures.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect::<BTreeMap<_, _>>()
        };
        assert_eq!(figures.memory_bytes, of(&[("api", 1_024), ("worker", 2_048)]));
        assert_eq!(figures.database_connections, of(&[("api", 7), ("ingest", 5)]));
        assert_eq!(figures.restarts, 3);
    }
}
