//! `firemode report`: the figures of an organisation, as a file.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::Args;
use firemode_domain::classification::Section;
use firemode_domain::input::{Day, Input, Time, read};
use firemode_reports::{Format, Report};
use firemode_runtime::settings::Settings;
use firemode_storage::organisations::Organisation;
use firemode_storage::reports::{self, AskedFault, Period, ReportFilter, ReportName};
use firemode_storage::{Database, Hold, StorageError, table};
use serde_json::Value;
use uuid::Uuid;

use crate::operate::{EXIT_INPUT, run as block_on};
use crate::roles::Failure;

/// Which report is wanted, and in which form.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct ReportCommand {
    /// compliance, trends, defects, technicians or sync.
    name: ReportName,
    /// Of this organisation.
    #[arg(long)]
    organisation: Uuid,
    /// json, csv, xlsx or html.
    #[arg(long, default_value = "json")]
    format: Format,
    /// The table of a CSV; the first where left out.
    #[arg(long)]
    table: Option<String>,
    /// Of one building.
    #[arg(long)]
    building: Option<Uuid>,
    /// Of one section of AS 1851-2012.
    #[arg(long, value_parser = given::<Section>)]
    section: Option<Section>,
    /// From this day at each building on, such as 2026-01-31.
    #[arg(long, value_parser = given::<Day>)]
    from: Option<Day>,
    /// Up to this day.
    #[arg(long, value_parser = given::<Day>)]
    to: Option<Day>,
    /// As it was known then (RFC 3339).
    #[arg(long, value_parser = given::<Time>)]
    as_of: Option<Time>,
    /// What a row of trends stands for: month or year.
    #[arg(long, default_value = "month")]
    by: Period,
    /// The file to write; standard output where left out.
    #[arg(long)]
    output: Option<PathBuf>,
}

/// Counts the figures and writes them.
pub(crate) fn run(settings: &Settings, command: &ReportCommand) -> Result<(), Failure> {
    let report = block_on(count(settings, command)).map_err(Failure::from)??;
    let report = report
        .map_err(|fault| input(format!("{}: {fault}", fault.field())))?
        .ok_or_else(|| input(format!("there is no organisation {}", command.organisation)))?;
    let table = match &command.table {
        None => None,
        Some(name) => Some(report.table(name).ok_or_else(|| input(format!("there is no table {name}")))?),
    };
    let bytes = report.render(command.format, table)?;
    match &command.output {
        Some(file) => fs::write(file, bytes)?,
        None => io::stdout().write_all(&bytes)?,
    }
    Ok(())
}

/// None where there is no such organisation.
async fn count(
    settings: &Settings,
    command: &ReportCommand,
) -> Result<Result<Option<Report>, AskedFault>, StorageError> {
    let organisation_id = command.organisation;
    let filter = ReportFilter {
        building_id: command.building,
        section: command.section.map(Section::to_i16),
        from: command.from.map(Day::get),
        to: command.to.map(Day::get),
        as_of: command.as_of.map(Time::get),
    };
    let tx = Database::new(settings, 1)?.tenant(organisation_id).read().await?;
    if table::find::<Organisation>(&tx, organisation_id, organisation_id, Hold::None).await?.is_none() {
        return Ok(Ok(None));
    }
    Ok(reports::report(&tx, organisation_id, command.name, filter, command.by).await?.map(Some))
}

/// A value as a query takes it.
fn given<T: Input>(text: &str) -> Result<T, String> {
    let number = text.parse::<u64>().ok().map(Value::from);
    read(number.unwrap_or_else(|| text.into()))
        .map_err(|faults| faults.into_iter().map(|fault| fault.message).collect::<Vec<_>>().join("; "))
}

fn input(message: String) -> Failure {
    Failure::new(EXIT_INPUT, anyhow::anyhow!(message))
}
