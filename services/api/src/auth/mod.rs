//! Signing in and what follows from it: attempts that are counted, tokens that are given and ended, personal data that is brought
//! under the present key.

pub(crate) mod denials;
pub(crate) mod proof;
pub(crate) mod revocations;
pub(crate) mod throttle;
pub(crate) mod tokens;
