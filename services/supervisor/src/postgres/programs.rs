//! Finds PostgreSQL's programs.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::PostgresError;

/// Oldest major version that is supported.
pub(super) const MAJOR_MIN: u32 = 14;

/// Newest major version that FireMode is tested with. A newer one is taken where there is no other.
const MAJOR_TESTED_MAX: u32 = 17;

/// Where packages put versions side by side: below each of these, `<version>/bin`.
const VERSIONED: &str = "/usr/lib/postgresql";

/// Where others put their only version.
const PLAIN: &[&str] = &["/usr/local/pgsql/bin", "/usr/local/bin", "/usr/bin"];

/// The folder to take the programs from: `bin_dir` where set, else the best of PATH and the usual places. Data that
/// exists wants the major version that made it.
pub(super) fn find(bin_dir: &str, made_by: Option<u32>, data: &Path) -> Result<PathBuf, PostgresError> {
    let folders = if bin_dir.is_empty() { usual_places() } else { vec![PathBuf::from(bin_dir)] };
    let mut found: Vec<(u32, PathBuf)> = folders
        .into_iter()
        .filter_map(|folder| Some((major_version_in(&folder)?, folder)))
        .filter(|(major, _)| *major >= MAJOR_MIN)
        .collect();
    if found.is_empty() {
        return Err(match bin_dir {
            "" => PostgresError::NotInstalled,
            path => PostgresError::BinDir { path: path.into() },
        });
    }
    // A stable sort, best first: of two folders with one version, PATH's comes before the usual places'.
    found.sort_by_key(|(major, _)| (*major > MAJOR_TESTED_MAX, u32::MAX - major));
    let mut installed: Vec<_> = found.iter().map(|(major, _)| major.to_string()).collect();
    installed.dedup();
    let best = found.into_iter().find(|(major, _)| made_by.is_none_or(|made_by| made_by == *major));
    best.map(|(_, folder)| folder).ok_or_else(|| PostgresError::Version {
        path: data.to_owned(),
        made_by: made_by.unwrap_or_default(),
        installed: installed.join(", "),
    })
}

fn usual_places() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let versioned =
        fs::read_dir(VERSIONED).into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    let plain = PLAIN.iter().map(PathBuf::from);
    env::split_paths(&path).filter(|folder| folder.is_absolute()).chain(versioned).chain(plain).collect()
}

/// The major version of the programs in a folder; none where they are not, or do not run.
fn major_version_in(folder: &Path) -> Option<u32> {
    let server = folder.join("postgres");
    if !server.is_file() || !folder.join("initdb").is_file() {
        return None;
    }
    let output = Command::new(server).arg("--version").stdin(Stdio::null()).output().ok()?;
    // "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"
    let text = String::from_utf8(output.stdout).ok()?;
    let version = text.split_whitespace().nth(2)?;
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
