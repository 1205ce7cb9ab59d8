//! From a command to a running role, and from its end to an exit code.

use std::io::Write as _;
use std::process::ExitCode;

use firemode_operator::demo::DemoError;
use firemode_runtime::settings::{Environ, Settings, ensure_development_secrets};
use firemode_runtime::telemetry;

use crate::cli::{Command, KeysCommand};
use crate::{audit, control, jobs, keys, migrate, operate, receipt, report, rules};

/// The configuration does not work (`EX_CONFIG` of sysexits.h).
const EXIT_CONFIGURATION: u8 = 78;

/// What was to be verified is not genuine.
pub(crate) const EXIT_NOT_GENUINE: u8 = 4;

/// A command was meant for a FireMode that does not run (as of `systemctl status`).
pub(crate) const EXIT_NOT_RUNNING: u8 = 3;

/// Why a role ended early.
pub(crate) struct Failure {
    exit_code: u8,
    error: anyhow::Error,
}

impl Failure {
    /// A failure with an exit code of its own.
    pub(crate) fn new(exit_code: u8, error: impl Into<anyhow::Error>) -> Self {
        Self { exit_code, error: error.into() }
    }

    /// Says on standard error what went wrong.
    pub(crate) fn report(self) -> ExitCode {
        // Nothing is left to be done where not even this can be written.
        let _ = writeln!(std::io::stderr(), "firemode: {:#}", self.error);
        ExitCode::from(self.exit_code)
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { exit_code: 1, error: error.into() }
    }
}

/// Runs a command to its end.
pub(crate) fn run(command: Command) -> Result<ExitCode, Failure> {
    let env: Environ = std::env::vars().collect();
    match command {
        Command::Check => return check(&env),
        Command::Openapi => return openapi(),
        Command::Keys(KeysCommand::New { which }) => {
            keys::new(which)?;
            return Ok(ExitCode::SUCCESS);
        }
        Command::Ask(ask) => return control::run(ask, &env),
        Command::Receipt { act } => return receipt::run(&act, &env),
        Command::Rules(command) => return rules::run(&command),
        // Said before anything else that may be wrong with a production's configuration.
        Command::Seed | Command::Token if Settings::asks_for_production(&env) => {
            return Err(DemoError::Production.into());
        }
        _ => {}
    }
    let mut settings = settings(&env)?;
    // A backup takes the secrets that are there, a restore brings its own, and a doctor and a plan change nothing.
    if !matches!(
        command,
        Command::Backup { .. } | Command::Restore { .. } | Command::Doctor | Command::Migrate { plan: true }
    ) {
        ensure_development_secrets(&mut settings).map_err(configuration)?;
    }
    let _telemetry = telemetry::start(&settings, command.traced_as()).map_err(configuration)?;
    if command == Command::Supervise {
        let warnings = Settings::warnings(&env).map_err(configuration)?;
        warnings.iter().for_each(|warning| tracing::warn!(setting = warning.setting, "{}", warning.message));
    }
    match command {
        Command::Supervise => return supervise(settings, Settings::why_host(&env).map_err(configuration)?),
        Command::Api => actix(firemode_api::run(settings))?,
        Command::Ingest => actix(firemode_ingest::run(settings))?,
        Command::Worker => actix(firemode_worker::run(settings))?,
        Command::Migrate { plan: true } => return migrate::plan(&settings).map_err(Failure::from),
        Command::Migrate { plan: false } => migrate::run(&settings)?,
        Command::Seed => operate::seed(&settings, &env)?,
        Command::Token => operate::token(&settings)?,
        Command::Admin(admin) => operate::admin(&settings, admin)?,
        Command::Project { .. } => return operate::rebuild(&settings).map_err(Failure::from),
        Command::Backup { file } => operate::backup(&settings, &file)?,
        Command::Restore { file } => operate::restore(&settings, &file)?,
        Command::Doctor => return operate::doctor(&settings).map_err(Failure::from),
        Command::Jobs(command) => return jobs::run(&settings, &command).map_err(Failure::from),
        Command::Report(command) => report::run(&settings, &command)?,
        Command::Audit(command) => return audit::run(&settings, &command).map_err(Failure::from),
        Command::Keys(KeysCommand::Status) => return keys::status(&settings).map_err(Failure::from),
        Command::Check
        | Command::Openapi
        | Command::Keys(KeysCommand::New { .. })
        | Command::Ask(_)
        | Command::Receipt { .. }
        | Command::Rules(_) => {}
    }
    Ok(ExitCode::SUCCESS)
}

fn supervise(settings: Settings, why_host: &str) -> Result<ExitCode, Failure> {
    firemode_supervisor::run(settings, why_host)
        .map(ExitCode::from)
        .map_err(|error| Failure { exit_code: error.exit_code() as u8, error: error.into() })
}

pub(crate) fn configuration(error: impl Into<anyhow::Error>) -> Failure {
    Failure::new(EXIT_CONFIGURATION, error)
}

/// The settings that every role starts with, so that `check` refuses what a start does.
fn settings(env: &Environ) -> Result<Settings, Failure> {
    Settings::load_and(env, firemode_storage::problems).map_err(configuration)
}

fn check(env: &Environ) -> Result<ExitCode, Failure> {
    let text = Settings::describe(env).map_err(configuration)?;
    std::io::stdout().write_all(text.as_bytes())?;
    settings(env)?;
    for warning in Settings::warnings(env).map_err(configuration)? {
        writeln!(std::io::stderr(), "warning: {}: {}", warning.setting, warning.message)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn openapi() -> Result<ExitCode, Failure> {
    writeln!(std::io::stdout(), "{}", firemode_api::openapi().to_pretty_json()?)?;
    Ok(ExitCode::SUCCESS)
}

/// actix-web runs on a system of its own.
fn actix<T>(role: impl Future<Output = T>) -> T {
    actix_web::rt::System::new().block_on(role)
}
