//! Passwords, revoked tokens, and the key that personal data is encrypted with.

pub(crate) mod passwords;
pub(crate) mod revocations;
pub(crate) mod vault;
