//! Policy files: data that decisions rest on, which a release may change. Each database keeps every version that it has met, so that what
//! was decided by one can be decided again.

use data_encoding::HEXLOWER;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::audit::canonical_json;

/// A policy file as this release has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Its name among others.
    pub name: &'static str,
    /// Its text.
    pub(crate) text: &'static str,
}

/// Units of measured values.
pub const UNITS: Policy =
    Policy { name: "units", text: include_str!("../../../config/compliance/units.json") };

/// Jurisdictions and their time zones.
pub const JURISDICTIONS: Policy =
    Policy { name: "jurisdictions", text: include_str!("../../../config/compliance/jurisdictions.json") };

/// All of them.
pub const POLICIES: [Policy; 2] = [UNITS, JURISDICTIONS];

impl Policy {
    /// Its content.
    pub fn content(self) -> Value {
        serde_json::from_str(self.text).expect("the embedded policies are valid, a test reads them")
    }

    /// Names this version of it: SHA-256, in hex, of its canonical JSON (RFC 8785).
    pub fn digest(self) -> String {
        HEXLOWER.encode(&Sha256::digest(canonical_json(&self.content()).unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_policy_says_where_it_comes_from() {
        for policy in POLICIES {
            let content = policy.content();
            for member in ["source", "confidence", "effective_from", "checked_on"] {
                assert!(content[member].is_string(), "{} has no {member}", policy.name);
            }
            assert_eq!(policy.digest().len(), 64);
        }
    }
}
