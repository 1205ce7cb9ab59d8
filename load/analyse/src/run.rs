//! A run as the load generator left it: summary.json and series.json.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// One form of a scenario, run once.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) folder: PathBuf,
    pub(crate) summary: Summary,
    /// Over time; empty for runs of before there were series.
    pub(crate) points: Vec<Point>,
}

/// What of summary.json is looked at.
#[derive(Debug, Deserialize)]
pub(crate) struct Summary {
    pub(crate) scenario: String,
    pub(crate) form: String,
    pub(crate) is_short: bool,
    pub(crate) started_at: String,
    pub(crate) processors: usize,
    pub(crate) users: usize,
    pub(crate) seconds: usize,
    pub(crate) requests: usize,
    pub(crate) requests_per_second: f64,
    pub(crate) limited: usize,
    pub(crate) routes: Vec<Route>,
    #[serde(default)]
    pub(crate) limits: Limits,
    pub(crate) rules: Vec<Rule>,
    pub(crate) passed: bool,
}

/// The lines that charts draw.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Limits {
    pub(crate) p95_milliseconds_max: Option<f64>,
    pub(crate) ingest_bytes_max: Option<f64>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Route {
    pub(crate) name: String,
    pub(crate) requests: usize,
    pub(crate) errors: usize,
    pub(crate) p50_milliseconds: f64,
    pub(crate) p95_milliseconds: f64,
    pub(crate) p99_milliseconds: f64,
    pub(crate) max_milliseconds: f64,
}

/// A target, and what was seen.
#[derive(Debug, Deserialize)]
pub(crate) struct Rule {
    pub(crate) rule: String,
    pub(crate) observed: String,
    pub(crate) passed: bool,
}

/// One span of time.
#[derive(Debug, Deserialize)]
pub(crate) struct Point {
    pub(crate) seconds: f64,
    pub(crate) users: f64,
    pub(crate) answers_per_second: f64,
    pub(crate) limited: f64,
    pub(crate) errors: f64,
    pub(crate) p50_milliseconds: Option<f64>,
    pub(crate) p95_milliseconds: Option<f64>,
    pub(crate) p99_milliseconds: Option<f64>,
    pub(crate) memory_bytes: BTreeMap<String, f64>,
    pub(crate) open_files: BTreeMap<String, f64>,
    pub(crate) database_connections: BTreeMap<String, f64>,
    pub(crate) restarts: Option<f64>,
}

impl Run {
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let series = folder.join("series.json");
        let points = if series.exists() { read(&series)? } else { Vec::new() };
        Ok(Self { folder: folder.to_owned(), summary: read(&folder.join("summary.json"))?, points })
    }

    /// The newest of these that is of the same kind and older; what cannot be read is none.
    pub(crate) fn before(&self, folders: &[PathBuf]) -> Option<Self> {
        let older = folders.iter().filter(|folder| name_of(folder) < name_of(&self.folder));
        older.rev().filter_map(|folder| Self::read(folder).ok()).find(|run| run.is_like(self))
    }

    fn is_like(&self, other: &Self) -> bool {
        let kind =
            |run: &Self| (run.summary.scenario.clone(), run.summary.form.clone(), run.summary.is_short);
        kind(self) == kind(other)
    }

    pub(crate) fn title(&self) -> String {
        let Summary { scenario, form, is_short, started_at, .. } = &self.summary;
        format!("{scenario} / {form}{}, {started_at}", if *is_short { " (short)" } else { "" })
    }
}

/// All runs, the oldest first: their names begin with the time.
pub(crate) fn folders(results: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(results).with_context(|| format!("reading {}", results.display()))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut folders: Vec<PathBuf> = paths.filter(|path| path.join("summary.json").exists()).collect();
    folders.sort();
    Ok(folders)
}

pub(crate) fn name_of(folder: &Path) -> &str {
    folder.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("{} is of another form", path.display()))
}
