//! Compares a load test with its targets and with the last one of its kind, and draws it. ../README.md says what the runs are.

mod chart;
mod page;
mod run;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Parser;

use crate::run::Run;

/// A target was missed.
const EXIT_TARGET: u8 = 1;
/// There was nothing to look at, or it could not be read.
const EXIT_ERROR: u8 = 2;

/// Compares runs with their targets and with the last run of the same kind, prints a table of each, and writes analysis.html, with
/// charts, beside its summary.json. Exit code: 0 all targets were met, 1 one was not, 2 nothing could be said.
#[derive(Debug, Parser)]
#[command(name = "firemode-analyse")]
struct Arguments {
    /// Folders of runs; without one, the newest.
    runs: Vec<PathBuf>,
    /// Every run that began at this time or later, written as the folders are: 20261130T120000Z.
    #[arg(long, conflicts_with = "runs")]
    since: Option<String>,
    /// Where the runs are.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../results"))]
    results: PathBuf,
}

fn main() -> ExitCode {
    match analyse(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(EXIT_TARGET),
        Err(error) => {
            eprintln!("firemode-analyse: {error:#}");
            ExitCode::from(EXIT_ERROR)
        }
    }
}

/// Says whether every target was met.
fn analyse(arguments: &Arguments) -> Result<bool> {
    let folders = chosen(arguments)?;
    if folders.is_empty() {
        bail!("there is no run in {}", arguments.results.display());
    }
    let mut are_met = true;
    for folder in folders {
        let run = Run::read(&folder)?;
        let before = run.before(&run::folders(&arguments.results)?);
        print!("{}", table::describe(&run, before.as_ref()));
        println!("charts: {}\n", page::write(&run, before.as_ref())?.display());
        are_met &= run.summary.passed;
    }
    Ok(are_met)
}

fn chosen(arguments: &Arguments) -> Result<Vec<PathBuf>> {
    if !arguments.runs.is_empty() {
        return Ok(arguments.runs.clone());
    }
    let mut folders = run::folders(&arguments.results)?;
    match &arguments.since {
        Some(since) => folders.retain(|folder| run::name_of(folder) >= since.as_str()),
        None => folders = folders.pop().into_iter().collect(),
    }
    Ok(folders)
}
