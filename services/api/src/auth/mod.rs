//! Passwords, second factors, tokens and their end, and the keys that personal data is encrypted with.

pub(crate) mod denials;
pub(crate) mod keys;
pub(crate) mod passwords;
pub(crate) mod proof;
pub(crate) mod reencryption;
pub(crate) mod revocations;
pub(crate) mod second_factor;
pub(crate) mod throttle;
pub(crate) mod tokens;
pub(crate) mod vault;
