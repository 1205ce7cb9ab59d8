//! The supervisor: starts the appliance's processes in order, watches them, starts them again when they fail, and stops
//! them in reverse.
//!
//! [`machine`] decides and does nothing else; the event loop carries out what it says. Everything that touches the
//! system lies in `effects`, what the children print goes through `logs`, and `postgres` knows the embedded database.

mod appliance;
mod effects;
mod error;
mod event_loop;
mod exit;
mod logs;
pub mod machine;
mod policy;
mod postgres;
mod report;
pub mod spec;
mod status_board;

use firemode_runtime::private_files;
use firemode_runtime::settings::Settings;

use appliance::{Sockets, appliance};
use effects::lock;
pub use effects::lock::acquire as lock_data_folder;
use effects::sockets::Bound;
pub use error::SupervisorError;
pub use event_loop::{Presentation, supervise};
pub use exit::{CONFIGURATION, Exit, ExitCode};
pub use policy::Policy;
use postgres::EmbeddedPostgres;
pub use postgres::{PostgresError, TemporaryPostgres};

/// Runs the appliance until it is asked to stop. Call it on the main thread, with logging started and before any other
/// thread is.
///
/// What the embedded database needs is looked for and all ports are bound before anything starts, so that what is
/// wrong with them is reported at once. `why_host` says why the public server listens where it does.
///
/// # Errors
/// [`SupervisorError`]; its [`SupervisorError::exit_code`] is what the process should leave with.
pub fn run(settings: Settings, why_host: &str) -> Result<ExitCode, SupervisorError> {
    let _lock = lock::acquire(&settings.data_dir)?;
    private_files::close_data_folder(&settings);
    let embedded = settings.uses_embedded_database();
    let database = embedded.then(|| EmbeddedPostgres::prepare(&settings)).transpose()?;
    let sockets = Sockets {
        public: Bound::to(&settings.server.address(), "PORT")?,
        ingest: Bound::to(&settings.ingest.address(), "INGEST_PORT")?,
        worker: Bound::to(&settings.worker.address(), "WORKER_PORT")?,
    };
    if let Some(database) = &database {
        tracing::info!(folder = %database.data().display(), "using the embedded database");
    }
    report::listening(&sockets);
    let table = appliance(&sockets, database.as_ref(), &settings);
    let presentation = Presentation {
        format: settings.log.format,
        welcome: report::welcome(&sockets, why_host, !settings.is_production()),
        listening: Some(sockets.public.address.to_string()),
        control: Some(settings.data_dir.clone()),
        secrets: settings.secret_texts(),
    };
    supervise(table, Policy::from(&settings.supervisor), presentation)
}
