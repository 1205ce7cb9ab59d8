//! Load tests for FireMode, from outside, through its HTTP API. README.md says how to run them and how to read them.

mod actions;
mod afterwards;
mod api;
mod attack;
mod catalogue;
mod device;
mod figures;
mod memory;
mod pace;
mod progress;
mod record;
mod rule;
mod scenarios;
mod stage;
mod summary;
mod targets;
mod token;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::Parser;

use crate::afterwards::Before;
use crate::api::Api;
use crate::memory::Sampler;
use crate::scenarios::{Form, Scenario};
use crate::stage::Stage;
use crate::summary::Summary;
use crate::targets::Targets;
use crate::watch::Watch;

/// A limit was not held.
const EXIT_LIMIT: u8 = 1;
/// The load test could not be run.
const EXIT_ERROR: u8 = 2;

/// Names every scenario.
const ALL: &str = "all";

/// Load tests for FireMode. Targets: FIREMODE_BASE_URL (or FASTAPI_BASE_URL), and INGEST_URL (or GO_SERVICE_URL) to watch
/// the memory of the ingest process. Exit code: 0 all limits held, 1 one did not, 2 the test could not be run.
#[derive(Debug, Parser)]
#[command(name = "firemode-load")]
struct Arguments {
    /// The scenario to run.
    #[arg(default_value = ALL)]
    scenario: String,
    /// The same shape with fewer users, in under a minute.
    #[arg(long)]
    short: bool,
    /// The whole of it, as without --short, over which it wins.
    #[arg(long)]
    full: bool,
    /// The same load for another time.
    #[arg(long, value_name = "MINUTES", conflicts_with = "short", value_parser = clap::value_parser!(u64).range(1..))]
    minutes: Option<u64>,
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

impl Arguments {
    fn is_short(&self) -> bool {
        self.short && !self.full
    }
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
        let form = arguments.minutes.map_or_else(|| form.clone(), |minutes| form.lasting(minutes * 60));
        let summary = run(scenario, &form, &targets, arguments).await?;
        print!("{}", summary.describe());
        are_held &= summary.passed;
    }
    Ok(are_held)
}

fn choose(arguments: &Arguments) -> Result<Vec<(&'static Scenario, &'static Form)>> {
    let is_chosen = |form: &Form| arguments.form.as_deref().is_none_or(|wanted| wanted == form.name);
    let chosen: Vec<_> = scenarios::ALL
        .iter()
        .filter(|scenario| [ALL, scenario.name].contains(&arguments.scenario.as_str()))
        .flat_map(|scenario| scenario.forms(arguments.is_short()).iter().map(move |form| (scenario, form)))
        .filter(|(_, form)| is_chosen(form))
        .collect();
    if chosen.is_empty() {
        bail!("there is no such scenario or form; there are:\n{}", scenarios::list());
    }
    Ok(chosen)
}

async fn run(scenario: &Scenario, form: &Form, targets: &Targets, arguments: &Arguments) -> Result<Summary> {
    println!("\n{} / {}: {}", scenario.name, form.name, form.describe());
    let api = Api::new(&targets.base)?;
    let stage = Arc::new(Stage::set(&api, scenario, form).await.context("setting the stage")?);
    println!("stage set: {stage}");
    let before = Before::look(scenario.afterwards, &api, &stage).await?;
    let folder = summary::folder(&arguments.results, scenario.name, form.name)?;
    let sampler = targets.ingest.clone().map(Sampler::start).transpose()?;
    let watch = Watch::start(api.clone(), stage.token().clone(), stage.progress.clone(), form.seconds);
    let started_at = chrono::Utc::now();
    let metrics = attack::run(scenario, form, &targets.base, stage.clone(), &folder).await?;
    let points = watch.stop().await;
    let memory = match sampler {
        Some(sampler) => Some(sampler.stop().await),
        None => None,
    };
    watch::write(&points, &folder)?;
    let afterwards =
        before.judge(&api, &stage, &points).await.context("looking at what is there afterwards")?;
    let summary = Summary::of(scenario, form, arguments.is_short(), started_at, &metrics, memory, afterwards);
    summary.write(&folder)?;
    println!("reports: {}", folder.display());
    Ok(summary)
}
