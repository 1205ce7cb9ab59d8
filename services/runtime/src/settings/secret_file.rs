//! Secrets that lie in files, as orchestrators and systemd hand them over.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Longest file that is read.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// Others may read or change it, or the group may change it.
const OPEN_BITS: u32 = 0o027;

/// The secret in a file, without white space around it.
pub(super) fn read(path: &Path, may_be_empty: bool) -> Result<String, String> {
    let mut text = String::new();
    File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text)).map_err(
        |error| format!("{}: {error}; make it readable for the user that runs FireMode", path.display()),
    )?;
    let secret = text.trim();
    if secret.is_empty() && !may_be_empty {
        return Err(format!("{}: the file is empty", path.display()));
    }
    Ok(secret.to_owned())
}

/// What is wrong with who may read a file, if anything is.
pub(super) fn openness(path: &Path) -> Option<String> {
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o777;
    let advice = "others can read or change this secret; close it with chmod 600, or 640 for a group";
    (mode & OPEN_BITS != 0).then(|| format!("{} has mode {mode:o}: {advice}", path.display()))
}
