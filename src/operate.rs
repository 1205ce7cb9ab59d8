//! What a person runs by hand: each command says on standard output what it did.

use std::future::Future;
use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use firemode_backup::Contents;
use firemode_operator::admin::{self, AdminError, FirstAdmin};
use firemode_operator::doctor::{self, Verdict};
use firemode_operator::{demo, seed};
use firemode_runtime::control::Connection;
use firemode_runtime::demo::{ADMIN_EMAIL, PASSWORD, TECHNICIAN_EMAIL};
use firemode_runtime::settings::{Environ, Settings};
use firemode_storage::Database;
use firemode_storage::observed::{self, Rebuilt};

use crate::cli::Admin;
use crate::control::ANSWER_TIME_MAX;
use crate::roles::Failure;
use crate::table::aligned;

/// Values that cannot be taken (`EX_DATAERR` of sysexits.h).
pub(crate) const EXIT_INPUT: u8 = 65;

/// An account that exists already (`EX_CANTCREAT` of sysexits.h).
const EXIT_TAKEN: u8 = 73;

/// Most bytes of a password's line that are read.
const PASSWORD_LINE_BYTES_MAX: u64 = 4096;

/// Makes an organisation and its first admin.
pub(crate) fn admin(settings: &Settings, command: Admin) -> Result<(), Failure> {
    let Admin::Create { organisation, email, name, password_file } = command;
    let password = password_file.as_ref().map(read_password).transpose()?;
    let admin = FirstAdmin { organisation, email, full_name: name, password };
    let created = run(admin::create(settings, admin))?.map_err(|error| match &error {
        AdminError::EmailTaken => Failure::new(EXIT_TAKEN, error),
        _ if error.is_about_input() => Failure::new(EXIT_INPUT, error),
        _ => error.into(),
    })?;
    let mut out = io::stdout();
    writeln!(out, "Made organisation {} with admin {}.", created.organisation_id, created.user_id)?;
    if let Some(password) = created.password {
        writeln!(out, "Password, shown this once and stored nowhere: {password}")?;
    }
    Ok(())
}

/// The first line of a file, without its end.
fn read_password(path: &PathBuf) -> Result<String, Failure> {
    let source: Box<dyn Read> = if path.as_os_str() == "-" {
        Box::new(io::stdin())
    } else {
        let file = std::fs::File::open(path);
        Box::new(file.map_err(|error| {
            anyhow::anyhow!("the password cannot be read from {}: {error}", path.display())
        })?)
    };
    let mut line = String::new();
    let read = BufReader::new(source.take(PASSWORD_LINE_BYTES_MAX)).read_line(&mut line);
    read.map_err(|error| anyhow::anyhow!("the password cannot be read: {error}"))?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// Fills the demo organisation.
pub(crate) fn seed(settings: &Settings, env: &Environ) -> anyhow::Result<()> {
    let base_url = match env.get("FIREMODE_BASE_URL").filter(|url| !url.is_empty()) {
        Some(base_url) => base_url.clone(),
        None => format!("http://{}", address_of_running(settings)),
    };
    let added = run(seed::run(settings, &base_url))??;
    let mut out = io::stdout();
    if added.nothing() {
        writeln!(out, "The demo organisation is filled already; nothing was added.")?;
    } else {
        writeln!(
            out,
            "Added to the demo organisation: {} buildings, {} measures, {} assets, {} baselines, {} test sessions with {} \
             results, {} photographs, {} classified faults, {} acts on defects, {} rule(s) of its own.",
            added.buildings,
            added.measures,
            added.assets,
            added.baselines,
            added.sessions,
            added.results,
            added.photographs,
            added.classifications,
            added.acts,
            added.rules
        )?;
    }
    writeln!(out, "Sign in at {base_url} as {ADMIN_EMAIL} or {TECHNICIAN_EMAIL}, password: {PASSWORD}")?;
    Ok(())
}

/// Where the FireMode of this data folder answers on this machine: as it says itself, or else as it is configured.
fn address_of_running(settings: &Settings) -> SocketAddr {
    let asked = Connection::open(&settings.data_dir, Some(ANSWER_TIME_MAX)).and_then(Connection::status);
    let listening = asked.ok().and_then(|status| status.listening?.parse::<SocketAddr>().ok());
    let address = listening.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, settings.server.port)));
    match address.ip() {
        ip if !ip.is_unspecified() => address,
        IpAddr::V4(_) => SocketAddr::from((Ipv4Addr::LOCALHOST, address.port())),
        IpAddr::V6(_) => SocketAddr::from((Ipv6Addr::LOCALHOST, address.port())),
    }
}

/// Prints an access token, and nothing else.
pub(crate) fn token(settings: &Settings) -> anyhow::Result<()> {
    let token = run(demo::token(settings))??;
    writeln!(io::stdout(), "{token}")?;
    Ok(())
}

/// Says what is wrong with an appliance. Ends with 1 where something is.
pub(crate) fn doctor(settings: &Settings) -> anyhow::Result<ExitCode> {
    let findings = run(doctor::examine(settings))?;
    let rows: Vec<_> = findings
        .iter()
        .map(|found| [found.verdict.to_string(), found.subject.clone(), found.words.clone()])
        .collect();
    io::stdout().write_all(aligned(&rows).as_bytes())?;
    let is_wrong = findings.iter().any(|found| found.verdict == Verdict::Wrong);
    Ok(if is_wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Works out all observations and defects again. Ends with 1 where that of a session was not possible.
pub(crate) fn rebuild(settings: &Settings) -> anyhow::Result<ExitCode> {
    let rebuilt = run(async { observed::rebuild(&Database::new(settings, 1)?).await })??;
    let Rebuilt { sessions, rows, failed } = rebuilt;
    let mut out = io::stdout();
    writeln!(out, "Worked out {sessions} sessions again: {rows} rows differed.")?;
    for (session_id, error) in &failed {
        writeln!(out, "Session {session_id} cannot be worked out: {error}")?;
    }
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Writes a backup.
pub(crate) fn backup(settings: &Settings, file: &Path) -> anyhow::Result<()> {
    let contents = run(firemode_backup::write(settings, file))??;
    say(&format!("Backed up to {} and verified", file.display()), &contents)?;
    if !contents.left_out.is_empty() {
        let left_out = contents.left_out.join(", ");
        writeln!(io::stdout(), "Tables that are not FireMode's are not in it: {left_out}.")?;
    }
    Ok(())
}

/// Puts a backup back.
pub(crate) fn restore(settings: &Settings, file: &Path) -> anyhow::Result<()> {
    let contents = run(firemode_backup::restore(settings, file))??;
    say(&format!("Restored from {}", file.display()), &contents)?;
    writeln!(
        io::stdout(),
        "Every sign-in, invitation and password reset of the backup has ended. Passwords, second factors and roles are those of its \
         time: change again what was changed since because somebody knew it. Jobs are not in it: nothing that was waiting or running \
         then is run again."
    )?;
    Ok(())
}

fn say(what: &str, contents: &Contents) -> anyhow::Result<()> {
    let Contents { tables, evidence_files, secrets, bytes, .. } = contents;
    let mut out = io::stdout();
    writeln!(out, "{what}: {tables} tables, {evidence_files} evidence files, {bytes} bytes.")?;
    if *secrets > 0 {
        writeln!(out, "The file holds the secrets that development made: keep it as safe as them.")?;
    } else {
        writeln!(
            out,
            "Secrets are not in it: keep PII_ENCRYPTION_KEY, without which no name in it can be read."
        )?;
    }
    Ok(())
}

/// Runs what is asynchronous to its end.
pub(crate) fn run<T>(work: impl Future<Output = T>) -> io::Result<T> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work))
}
