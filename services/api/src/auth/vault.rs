//! Personal data at rest: Fernet with several keys, of which the first encrypts and all decrypt.

use fernet::{Fernet, MultiFernet};
use secrecy::{ExposeSecret as _, SecretString};

use firemode_web::Problem;

/// Encrypts and decrypts personal data.
pub struct Vault(MultiFernet);

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault")
    }
}

impl Vault {
    /// `None` where a key is not one; the settings were checked for that.
    pub fn new(keys: &SecretString) -> Option<Self> {
        let keys: Option<Vec<Fernet>> =
            keys.expose_secret().split(',').map(|key| Fernet::new(key.trim())).collect();
        keys.filter(|keys| !keys.is_empty()).map(|keys| Self(MultiFernet::new(keys)))
    }

    /// The token of a text, under the first key.
    #[must_use]
    pub fn encrypt(&self, text: &str) -> Vec<u8> {
        self.0.encrypt(text.as_bytes()).into_bytes()
    }

    /// # Errors
    /// None of the keys made this token: 500, with a hint in the log.
    pub(crate) fn decrypt(&self, token: &[u8]) -> Result<String, Problem> {
        let text = std::str::from_utf8(token).ok();
        text.and_then(|text| self.0.decrypt(text).ok())
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or_else(|| {
                Problem::internal("no key in PII_ENCRYPTION_KEY decrypts the stored personal data")
            })
    }
}
