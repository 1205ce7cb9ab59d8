//! What a person runs by hand: each command says on standard output what it did.

use std::future::Future;
use std::io::{self, Write as _};
use std::path::Path;

use firemode_operator::backup::{self, Contents};
use firemode_operator::{demo, seed};
use firemode_runtime::demo::{ADMIN_EMAIL, PASSWORD, TECHNICIAN_EMAIL};
use firemode_runtime::settings::{Environ, Settings};

/// Fills the demo organisation.
pub(crate) fn seed(settings: &Settings, env: &Environ) -> anyhow::Result<()> {
    let own = format!("http://127.0.0.1:{}", settings.server.port);
    let base_url = env.get("FIREMODE_BASE_URL").filter(|url| !url.is_empty()).unwrap_or(&own);
    let added = run(seed::run(settings, base_url))??;
    let mut out = io::stdout();
    if added.nothing() {
        writeln!(out, "The demo organisation is filled already; nothing was added.")?;
    } else {
        writeln!(
            out,
            "Added to the demo organisation: {} buildings, {} assets, {} test sessions with {} results, {} photographs, \
             {} classified faults.",
            added.buildings,
            added.assets,
            added.sessions,
            added.results,
            added.photographs,
            added.classifications
        )?;
    }
    writeln!(out, "Sign in at {base_url} as {ADMIN_EMAIL} or {TECHNICIAN_EMAIL}, password: {PASSWORD}")?;
    Ok(())
}

/// Prints an access token, and nothing else.
pub(crate) fn token(settings: &Settings) -> anyhow::Result<()> {
    let token = run(demo::token(settings))??;
    writeln!(io::stdout(), "{token}")?;
    Ok(())
}

/// Writes a backup.
pub(crate) fn backup(settings: &Settings, file: &Path) -> anyhow::Result<()> {
    let contents = run(backup::write(settings, file))??;
    say(&format!("Backed up to {} and verified", file.display()), &contents)
}

/// Puts a backup back.
pub(crate) fn restore(settings: &Settings, file: &Path) -> anyhow::Result<()> {
    let contents = run(backup::restore(settings, file))??;
    say(&format!("Restored from {}", file.display()), &contents)
}

fn say(what: &str, contents: &Contents) -> anyhow::Result<()> {
    let Contents { tables, evidence_files, secrets, bytes } = contents;
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

fn run<T>(work: impl Future<Output = T>) -> io::Result<T> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work))
}
