//! Passwords, second factors, tokens and their end, and the key that personal data is encrypted with.

pub(crate) mod denials;
pub(crate) mod passwords;
pub(crate) mod proof;
pub(crate) mod revocations;
pub(crate) mod second_factor;
pub(crate) mod throttle;
pub(crate) mod tokens;
pub(crate) mod vault;
