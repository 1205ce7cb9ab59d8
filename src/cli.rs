//! The command line.

use clap::{Parser, Subcommand};

/// Fire-safety compliance backend as one supervised appliance.
///
/// Without a command it runs everything: a PostgreSQL of its own where DATABASE_URL is not set, migrations, the ingest
/// process and the API. Settings come from the environment; `firemode check` shows them.
///
/// Exit codes: 0 after a requested stop, 78 for a configuration that does not work, 2 for a wrong command line, 1 for any
/// other failure.
#[derive(Debug, Parser)]
#[command(name = "firemode", version, verbatim_doc_comment)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What the process is to be.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Subcommand)]
pub(crate) enum Command {
    /// Run the full stack and keep it running (the default).
    #[default]
    Supervise,
    /// Run the public HTTP API alone.
    Api,
    /// Run the ingest process alone.
    Ingest,
    /// Bring the database to this version's schema.
    Migrate,
    /// Print the effective configuration, secrets masked, or everything that is wrong with it.
    Check,
    /// Print the OpenAPI document.
    Openapi,
}
