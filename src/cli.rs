//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use firemode_storage::jobs::JobState;
use uuid::Uuid;

use crate::control::Ask;
use crate::report::ReportCommand;

/// Fire-safety compliance backend as one supervised appliance.
///
/// Without a command it runs everything: a PostgreSQL of its own where DATABASE_URL is not set, migrations, the ingest
/// process, the worker and the API. Settings come from the environment; `firemode check` shows them.
///
/// Exit codes: 0 after a requested stop, 78 for a configuration that does not work, 2 for a wrong command line, 3 where a
/// command finds no FireMode running, 4 for a receipt or an audit log that is not genuine, 65 for values that cannot be taken, 73 for an
/// account that exists already, 5 where `migrate --plan` finds something to do, 1 for any other failure.
#[derive(Debug, Parser)]
#[command(name = "firemode", version, verbatim_doc_comment)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What the process is to be.
#[derive(Debug, Default, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum Command {
    /// Run the full stack and keep it running (the default).
    #[default]
    Supervise,
    /// Run the public HTTP API alone.
    Api,
    /// Run the ingest process alone.
    Ingest,
    /// Run the worker alone.
    Worker,
    /// Bring the database to this version's schema.
    Migrate {
        /// Only print what would run, what it locks and about how long. Changes and locks nothing; leaves with 0 where nothing would run,
        /// with 5 where something would.
        #[arg(long)]
        plan: bool,
    },
    /// Print the effective configuration, secrets masked, or everything that is wrong with it.
    Check,
    /// Print the OpenAPI document.
    Openapi,
    #[command(flatten)]
    Ask(Ask),
    /// Look at the folder, the disk, the processes, the database, the store of evidence and the receiver of traces, and say what is
    /// wrong and what to do. Changes nothing; leaves with 1 where something is wrong.
    Doctor,
    /// Fill the demo organisation of a running FireMode, so that there is something to see (not in production).
    Seed,
    /// Print an access token of the demo organisation's admin, good for a day (not in production).
    Token,
    /// Make an organisation and its first admin, where registration is closed.
    #[command(subcommand)]
    Admin(Admin),
    /// Check receipts.
    Receipt {
        #[command(subcommand)]
        act: ReceiptAct,
    },
    /// Verify the audit log, and take out of it what people wrote.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Write the figures of an organisation as a file: what `GET /v1/reports` gives. FireMode may be running meanwhile.
    Report(ReportCommand),
    /// Make keys, and see which are in use.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// See work that waits, runs or has ended, and steer it. FireMode may be running meanwhile.
    #[command(subcommand)]
    Jobs(JobsCommand),
    /// For authors of classification rules.
    #[command(subcommand)]
    Rules(RulesCommand),
    /// Work out the observations and defects that follow from what is on record. FireMode may be running meanwhile.
    Project {
        /// Work out all of them again, and say how many rows differed. The worker follows what is new without this.
        #[arg(long, required = true)]
        rebuild: bool,
    },
    /// Write the database and the evidence into one file. FireMode may be running meanwhile.
    Backup {
        /// The file to write; it must not exist yet. It can be read by `tar`.
        file: PathBuf,
    },
    /// Put a backup back, into an empty data folder or an empty database.
    Restore {
        /// A file that `firemode backup` wrote.
        file: PathBuf,
    },
}

/// What is to be done with a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum ReceiptAct {
    /// Print what a receipt says if FireMode has signed it; exit code 4 if it has not. Needs no network with keys in a file.
    Verify {
        /// A file with the receipt, or with the whole answer that it came in; `-` for standard input.
        file: PathBuf,
        /// The public keys, as `GET /v1/receipts/keys` gives them: a file, or a URL. Those of this machine's configuration
        /// where left out.
        #[arg(long)]
        keys: Option<String>,
        /// Check also that the receipt is for this file: the evidence itself, or the body of a request with results.
        #[arg(long)]
        content: Option<PathBuf>,
    },
}

/// What is done with the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum AuditCommand {
    /// Work out each leaf's hash again and compare it with its row. Exit code 4, and the rows, where some are not genuine.
    Verify {
        /// Of this organisation only.
        #[arg(long)]
        organisation: Option<Uuid>,
    },
    /// List the leaves of an earlier release that hold the free fields of buildings, which may name people.
    Texts,
    /// Replace each of those by one that keeps its hash and commits to the texts by theirs. This cannot be undone.
    ReplaceTexts,
}

/// What is done with rules.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum RulesCommand {
    /// Say whether `POST /v1/rules` would take the rules of a file, and each fault with its place. Exit code 65 where there are faults. Needs
    /// no FireMode that runs.
    Check {
        /// A file with one such body as JSON, or a list of them; `-` for standard input.
        file: PathBuf,
    },
}

/// What is done about jobs.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum JobsCommand {
    /// Print the newest ones.
    List {
        /// Of this state only: waiting, running, done, failed, cancelled.
        #[arg(long, value_parser = job_state)]
        state: Option<JobState>,
        /// Of this kind only.
        #[arg(long)]
        kind: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
    /// Let one run now that failed, was cancelled, or waits for a later moment.
    Retry {
        /// As `list` shows it.
        id: Uuid,
    },
    /// Take one back: it is not begun, or it is stopped soon.
    Cancel {
        /// As `list` shows it.
        id: Uuid,
    },
}

fn job_state(name: &str) -> Result<JobState, String> {
    let known = JobState::ALL.into_iter().find(|state| state.as_str() == name);
    known.ok_or_else(|| format!("it is one of {}", JobState::ALL.map(JobState::as_str).join(", ")))
}

/// What is done with keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub(crate) enum KeysCommand {
    /// Print new random keys as lines for the environment. Nothing else keeps them.
    New {
        /// Which ones.
        #[arg(default_value = "all")]
        which: KeyKind,
    },
    /// Print the ids of the keys that are set, and how much personal data is under which. Leaves with 1 where some is under
    /// none of them.
    Status,
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyKind {
    /// Signs access tokens.
    Jwt,
    /// Signs the tokens between the processes.
    Internal,
    /// Encrypts personal data.
    Pii,
    /// Signs receipts.
    Receipts,
    /// One of each.
    All,
}

impl KeyKind {
    /// The variables that take such keys.
    pub(crate) fn variables(self) -> &'static [&'static str] {
        match self {
            Self::Jwt => &["JWT_SECRET_KEY"],
            Self::Internal => &["INTERNAL_JWT_SECRET_KEY"],
            Self::Pii => &["PII_ENCRYPTION_KEY"],
            Self::Receipts => &["RECEIPT_SIGNING_KEY"],
            Self::All => {
                &["JWT_SECRET_KEY", "INTERNAL_JWT_SECRET_KEY", "PII_ENCRYPTION_KEY", "RECEIPT_SIGNING_KEY"]
            }
        }
    }
}

impl Command {
    /// The name under which the process's traces are known, where it serves requests.
    pub(crate) fn traced_as(&self) -> Option<&'static str> {
        match self {
            Self::Api => Some("api"),
            Self::Ingest => Some("ingest"),
            Self::Worker => Some("worker"),
            _ => None,
        }
    }
}

/// What to do about admins.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum Admin {
    /// Make an organisation and its first admin. Without a password one is made, and printed once.
    Create {
        /// Name of the organisation.
        #[arg(long)]
        organisation: String,
        /// Address that the admin signs in with.
        #[arg(long)]
        email: String,
        /// Full name of the admin.
        #[arg(long)]
        name: String,
        /// Take the password from the first line of a file; `-` is standard input. There is no option for the password itself:
        /// other users of the machine can read a command line.
        #[arg(long)]
        password_file: Option<PathBuf>,
    },
}
