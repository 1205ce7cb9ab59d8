//! Secrets that development makes for itself, so that a first start needs none.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use secrecy::{ExposeSecret as _, SecretString};

use super::Settings;
use crate::data_dir;

/// A development secret could not be made or read.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot keep development secrets in {path}: {source}; make the folder writable or set FIREMODE_DATA_DIR"
)]
pub struct SecretsError {
    path: PathBuf,
    source: io::Error,
}

/// Fills empty secrets from `<data_dir>/secrets`, making them there on first use (mode 0600). Every process of an
/// appliance so finds the same ones. Production never gets here with an empty secret: [`Settings::load`] refuses it.
///
/// # Errors
/// The folder cannot be written or a file in it cannot be read.
pub fn ensure_development_secrets(settings: &mut Settings) -> Result<(), SecretsError> {
    let folder = settings.data_dir.join(data_dir::SECRETS);
    let auth = &mut settings.auth;
    for (secret, name) in [
        (&mut auth.jwt_secret_key, "jwt_secret_key"),
        (&mut auth.internal_jwt_secret_key, "internal_jwt_secret_key"),
        (&mut auth.pii_encryption_key.0, "pii_encryption_key"),
        (&mut settings.receipts.signing_key.0, "receipt_signing_key"),
    ] {
        if secret.expose_secret().is_empty() {
            let path = folder.join(name);
            *secret = read_or_make(&folder, &path).map_err(|source| SecretsError { path, source })?;
        }
    }
    Ok(())
}

fn read_or_make(folder: &Path, path: &Path) -> io::Result<SecretString> {
    match fs::read_to_string(path) {
        Ok(text) if !text.trim().is_empty() => return Ok(text.trim().to_owned().into()),
        Ok(_) => return Err(io::Error::other("the file is empty; remove it to have a new secret made")),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Err(_) => {}
    }
    folder.parent().map_or(Ok(()), data_dir::make)?;
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // Written whole under another name and then linked, so that a second process sees all of it or nothing.
    let draft = folder.join(format!(".{}", uuid::Uuid::new_v4()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(random_key()?.as_bytes())?;
    file.sync_all()?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(fs::read_to_string(path)?.trim().to_owned().into()),
    }
}

/// 32 random bytes in URL-safe base64: a Fernet key, and long enough to sign with.
///
/// # Errors
/// The system gives no random bytes.
pub fn random_key() -> io::Result<String> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(URL_SAFE.encode(bytes))
}
