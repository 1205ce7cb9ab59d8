//! Who somebody is, and how that is proven: passwords, second factors, tokens and their end, the keys that personal data is
//! encrypted with, and the receipts that FireMode signs itself.
//!
//! Nothing here knows HTTP: the servers and what a person runs by hand use the same.

#![warn(missing_docs)]

mod error;
pub mod jws;
pub mod keys;
mod passwords;
mod receipts;
mod revocations;
pub mod second_factor;
mod tokens;
mod vault;

pub use error::IdentityError;
pub use passwords::Passwords;
pub use receipts::{
    ChangeStandings, Receipt, ReceiptError, ReceiptKey, ReceiptKeySet, ReceiptKeys, ReceiptSubject,
};
pub use revocations::{RevocationFigures, Revocations};
pub use tokens::{
    ACCESS_TOKEN_SECONDS_MAX, AccessClaims, AccessKey, INTERNAL_TOKEN_SECONDS, InternalClaims, InternalKey,
    LEEWAY_SECONDS, LINK_SECONDS, LinkClaims, LinkKey, TokenError, at, seconds_of,
};
pub use vault::{Renewal, Vault};
