//! What is known now, and what was known at a moment: of all that was ever known of something, one of it holds.

/// The condition that a row is what is known now.
pub(crate) const KNOWN_NOW: &str = "known_to is null";

/// The condition that a row is what was known at the moment for which `{}` stands.
pub(crate) const KNOWN_THEN: &str = "known_from <= {} and (known_to is null or known_to > {})";
