//! `firemode audit`: is the log genuine, and does it hold what people wrote?

use std::io::{self, Write as _};
use std::process::ExitCode;

use firemode_domain::audit::AuditEvent;
use firemode_operator::audit::{self, Fault, Faults, Replacements, Verification};
use firemode_runtime::settings::Settings;

use crate::cli::AuditCommand;
use crate::operate::run as block_on;
use crate::roles::EXIT_NOT_GENUINE;

/// Looks and prints.
pub(crate) fn run(settings: &Settings, command: &AuditCommand) -> anyhow::Result<ExitCode> {
    match command {
        AuditCommand::Verify { organisation } => {
            show_verification(&block_on(audit::verify(settings, *organisation))??)
        }
        AuditCommand::Texts => list_texts(settings),
        AuditCommand::ReplaceTexts => replace_texts(settings),
    }
}

fn show_verification(found: &Verification) -> anyhow::Result<ExitCode> {
    let Verification { rows, replaced, faults } = found;
    show(faults)?;
    let count = faults.count;
    writeln!(io::stdout(), "{rows} rows, {replaced} of them with a leaf that was replaced, {count} faults.")?;
    Ok(if count == 0 { ExitCode::SUCCESS } else { ExitCode::from(EXIT_NOT_GENUINE) })
}

fn list_texts(settings: &Settings) -> anyhow::Result<ExitCode> {
    let (mut out, mut written) = (io::stdout(), Ok(()));
    let print = |event: AuditEvent| {
        let AuditEvent { organisation_id, id, action, at, resource_id, .. } = &event;
        let building = resource_id.as_deref().unwrap_or("-");
        if written.is_ok() {
            written = writeln!(out, "{organisation_id}  {id}  {action:19}  {building}  {at}");
        }
    };
    let count = block_on(audit::each_leaf_with_texts(settings, print))??;
    written?;
    writeln!(io::stdout(), "{count} leaves hold the free fields of buildings.")?;
    Ok(ExitCode::SUCCESS)
}

fn replace_texts(settings: &Settings) -> anyhow::Result<ExitCode> {
    let Replacements { replaced, faults } = block_on(audit::replace_texts(settings))??;
    show(&faults)?;
    writeln!(
        io::stdout(),
        "Replaced {replaced} leaves, and left {}. Backups from before, and copies of the log, still hold the texts.",
        faults.count
    )?;
    Ok(if faults.count == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn show(faults: &Faults) -> io::Result<()> {
    let mut out = io::stdout();
    faults.first.iter().try_for_each(|Fault { organisation_id, audit_log_id, reason }| {
        writeln!(out, "{organisation_id}  {audit_log_id}  {reason}")
    })
}
