//! Personal data at rest: Fernet with several keys, of which the first encrypts and all decrypt.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use fernet::Fernet;
use secrecy::{ExposeSecret as _, SecretString};

use crate::error::IdentityError;
use crate::jws::key_id;

/// What a key's check token says.
const CHECK_TEXT: &str = "firemode personal data";

/// The crate refuses tokens from the future, for messages that must be fresh. Stored data has no such need, and an instance
/// whose clock is ahead must not make it unreadable for the others.
const ANY_TIME: u64 = u64::MAX / 2;

/// Encrypts and decrypts personal data.
pub struct Vault {
    first: FernetKey,
    others: Vec<FernetKey>,
}

struct FernetKey {
    id: String,
    fernet: Fernet,
}

/// What a token is under, and what it becomes.
#[derive(Debug, PartialEq, Eq)]
pub enum Renewal<'a> {
    /// The first key: it stays.
    Current,
    /// Another of the keys.
    Renewed {
        /// The id of that one.
        from: &'a str,
        /// The same text under the first.
        token: Vec<u8>,
    },
    /// None of the keys.
    Unreadable,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.key_ids()).finish()
    }
}

impl Vault {
    /// `None` where there is no key, or one is not a key; the settings were checked for that.
    pub fn new(keys: &SecretString) -> Option<Self> {
        let mut keys = keys.expose_secret().split(',').map(|key| FernetKey::new(key.trim()));
        let first = keys.next()??;
        Some(Self { first, others: keys.collect::<Option<_>>()? })
    }

    /// The ids of the keys, the first one's first.
    pub fn key_ids(&self) -> impl Iterator<Item = &str> {
        self.keys().map(|key| key.id.as_str())
    }

    /// The id of the key that encrypts.
    pub fn encrypting_key_id(&self) -> &str {
        &self.first.id
    }

    /// The token of a text, under the first key.
    #[must_use]
    pub fn encrypt(&self, text: &str) -> Vec<u8> {
        self.first.fernet.encrypt(text.as_bytes()).into_bytes()
    }

    /// The text of a token.
    ///
    /// # Errors
    /// [`IdentityError::KeyMissing`] where none of the keys made it.
    pub fn decrypt(&self, token: &[u8]) -> Result<String, IdentityError> {
        let text = self.keys().find_map(|key| key.open(token));
        text.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or(IdentityError::KeyMissing)
    }

    /// The id of the key that a token is under, if it is one of these.
    pub fn key_of(&self, token: &[u8]) -> Option<&str> {
        self.keys().find(|key| key.open(token).is_some()).map(|key| key.id.as_str())
    }

    /// The same text under the first key.
    pub fn renew(&self, token: &[u8]) -> Renewal<'_> {
        if self.first.open(token).is_some() {
            return Renewal::Current;
        }
        match self.others.iter().find_map(|key| Some((key, key.open(token)?))) {
            Some((key, text)) => {
                Renewal::Renewed { from: &key.id, token: self.first.fernet.encrypt(&text).into_bytes() }
            }
            None => Renewal::Unreadable,
        }
    }

    /// A token by which the first key can be recognised later.
    pub(crate) fn check_token(&self) -> Vec<u8> {
        self.encrypt(CHECK_TEXT)
    }

    /// Is a key of this id here, and did it make this check token?
    pub(crate) fn has(&self, id: &str, check_token: &[u8]) -> bool {
        let is_the_one =
            |key: &FernetKey| key.id == id && key.open(check_token).as_deref() == Some(CHECK_TEXT.as_bytes());
        self.keys().any(is_the_one)
    }

    fn keys(&self) -> impl Iterator<Item = &FernetKey> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

impl FernetKey {
    fn new(key: &str) -> Option<Self> {
        let id = key_id(&URL_SAFE.decode(key).ok()?);
        Some(Self { id, fernet: Fernet::new(key)? })
    }

    fn open(&self, token: &[u8]) -> Option<Vec<u8>> {
        self.fernet.decrypt_at_time(std::str::from_utf8(token).ok()?, None, ANY_TIME).ok()
    }
}
