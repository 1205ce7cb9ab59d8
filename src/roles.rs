//! From a command to a running role, and from its end to an exit code.

use std::io::Write as _;
use std::process::ExitCode;

use firemode_runtime::settings::{Environ, Settings, ensure_development_secrets};
use firemode_runtime::telemetry;

use crate::cli::Command;

/// The configuration does not work (`EX_CONFIG` of sysexits.h).
const EXIT_CONFIGURATION: u8 = 78;

/// Why a role ended early.
pub(crate) struct Failure {
    exit_code: u8,
    error: anyhow::Error,
}

impl Failure {
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
        _ => {}
    }
    let mut settings = Settings::load(&env).map_err(configuration)?;
    ensure_development_secrets(&mut settings).map_err(configuration)?;
    telemetry::start(&settings.log).map_err(|error| configuration(anyhow::anyhow!("log.filter: {error}")))?;
    match command {
        Command::Supervise => return supervise(settings),
        Command::Api => actix(firemode_api::run(settings))?,
        Command::Ingest => actix(firemode_ingest::run(settings))?,
        Command::Migrate => migrate(&settings)?,
        Command::Check | Command::Openapi => {}
    }
    Ok(ExitCode::SUCCESS)
}

fn supervise(settings: Settings) -> Result<ExitCode, Failure> {
    firemode_supervisor::run(settings)
        .map(ExitCode::from)
        .map_err(|error| Failure { exit_code: error.exit_code() as u8, error: error.into() })
}

fn configuration(error: impl Into<anyhow::Error>) -> Failure {
    Failure { exit_code: EXIT_CONFIGURATION, error: error.into() }
}

fn check(env: &Environ) -> Result<ExitCode, Failure> {
    let text = Settings::describe(env).map_err(configuration)?;
    std::io::stdout().write_all(text.as_bytes())?;
    Settings::load(env).map_err(configuration)?;
    Ok(ExitCode::SUCCESS)
}

fn openapi() -> Result<ExitCode, Failure> {
    writeln!(std::io::stdout(), "{}", firemode_api::openapi().to_pretty_json()?)?;
    Ok(ExitCode::SUCCESS)
}

fn migrate(settings: &Settings) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(firemode_storage::migrations::run(settings))?;
    tracing::info!(
        before = report.before,
        after = report.after,
        rules_added = report.rules_added,
        "the database is migrated"
    );
    Ok(())
}

/// actix-web runs on a system of its own.
fn actix<T>(role: impl Future<Output = T>) -> T {
    actix_web::rt::System::new().block_on(role)
}
