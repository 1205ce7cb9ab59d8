//! Load tests for FireMode, from outside, through its HTTP API. README.md says how to run them and how to read them.

mod actions;
mod api;
mod attack;
mod catalogue;
mod device;
mod memory;
mod pace;
mod progress;
mod scenarios;
mod stage;
mod summary;
mod targets;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::Parser;

use crate::api::Api;
use crate::memory::Sampler;
use crate::scenarios::{Form, Scenario};
use crate::stage::Stage;
use crate::summary::Summary;
use crate::targets::Targets;

/// A limit was not held.
const EXIT_LIMIT: u8 = 1;
/// The load test could not be run.
const EXIT_ERROR: u8 = 2;

/// Load tests for FireMode. Targets: FIREMODE_BASE_URL (or FASTAPI_BASE_URL), and INGEST_URL (or GO_SERVICE_URL) to watch
/// the memory of the ingest process. Exit code: 0 all limits held, 1 one did not, 2 the test could not be run.
#[derive(Debug, Parser)]
#[command(name = "firemode-load")]
struct Arguments {
    /// The scenario to run; without one, all.
    scenario: Option<String>,
    /// The same shape with fewer users, in under a minute.
    #[arg(long)]
    short: bool,
    /// Run only this form of the scenario, for example 2-minutes.
    #[arg(long)]
    form: Option<String>,
    /// List the scenarios and their forms.
    #[arg(long)]
    list: bool,
    /// Where reports go.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/results"))]
    results: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.list {
        print!("{}", scenarios::list());
        return ExitCode::SUCCESS;
    }
    match run_all(&arguments).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(EXIT_LIMIT),
        Err(error) => {
            eprintln!("firemode-load: {error:#}");
            ExitCode::from(EXIT_ERROR)
        }
    }
}

/// Runs what was asked for. Says whether every limit was held.
async fn run_all(arguments: &Arguments) -> Result<bool> {
    let targets = Targets::from_env()?;
    let chosen = choose(arguments)?;
    let mut are_held = true;
    for (scenario, form) in chosen {
        let summary = run(scenario, form, &targets, arguments).await?;
        print!("{}", summary.describe());
        are_held &= summary.passed;
    }
    Ok(are_held)
}

fn choose(arguments: &Arguments) -> Result<Vec<(&'static Scenario, &'static Form)>> {
    let is_chosen =
        |wanted: &Option<String>, name: &str| wanted.as_deref().is_none_or(|wanted| wanted == name);
    let chosen: Vec<_> = scenarios::ALL
        .iter()
        .filter(|scenario| is_chosen(&arguments.scenario, scenario.name))
        .flat_map(|scenario| scenario.forms(arguments.short).iter().map(move |form| (scenario, form)))
        .filter(|(_, form)| is_chosen(&arguments.form, form.name))
        .collect();
    if chosen.is_empty() {
        bail!("there is no such scenario or form; there are:\n{}", scenarios::list());
    }
    Ok(chosen)
}

async fn run(scenario: &Scenario, form: &Form, targets: &Targets, arguments: &Arguments) -> Result<Summary> {
    println!("\n{} / {}: {}", scenario.name, form.name, form.describe());
    let api = Api::new(&targets.base)?;
    let stage = Stage::set(&api, form, &scenario.limits).await.context("setting the stage")?;
    println!("stage set: {stage}");
    let folder = summary::folder(&arguments.results, scenario.name, form.name)?;
    let sampler = targets.ingest.clone().map(Sampler::start).transpose()?;
    let started_at = chrono::Utc::now();
    let metrics = attack::run(scenario, form, &targets.base, Arc::new(stage), &folder).await?;
    let memory = match sampler {
        Some(sampler) => Some(sampler.stop().await),
        None => None,
    };
    let summary = Summary::of(scenario, form, arguments.short, started_at, &metrics, memory);
    summary.write(&folder)?;
    println!("reports: {}", folder.display());
    Ok(summary)
}
