//! Where the load goes.

use anyhow::{Context, Result};
use reqwest::Url;

const BASE_DEFAULT: &str = "http://127.0.0.1:8080";

/// The addresses of the stack under test.
#[derive(Debug)]
pub(crate) struct Targets {
    /// The public API, without a trailing slash.
    pub(crate) base: String,
    /// The ingest process, where its memory is to be watched.
    pub(crate) ingest: Option<Url>,
}

impl Targets {
    /// Reads FIREMODE_BASE_URL (or FASTAPI_BASE_URL) and INGEST_URL (or GO_SERVICE_URL).
    pub(crate) fn from_env() -> Result<Self> {
        let base = variable(&["FIREMODE_BASE_URL", "FASTAPI_BASE_URL"]);
        let base = base.map_or_else(|| Ok(Url::parse(BASE_DEFAULT)?), |(name, value)| parse(name, &value))?;
        let ingest = variable(&["INGEST_URL", "GO_SERVICE_URL"]);
        let ingest = ingest.map(|(name, value)| parse(name, &value)).transpose()?;
        Ok(Self { base: base.as_str().trim_end_matches('/').to_owned(), ingest })
    }
}

/// The first of the variables that is set and not empty.
fn variable(names: &[&'static str]) -> Option<(&'static str, String)> {
    let set =
        |&name: &&'static str| Some((name, std::env::var(name).ok().filter(|value| !value.is_empty())?));
    names.iter().find_map(set)
}

fn parse(name: &str, value: &str) -> Result<Url> {
    Url::parse(value).with_context(|| format!("{name} is not a URL: {value}"))
}
