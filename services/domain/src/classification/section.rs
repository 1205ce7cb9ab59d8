//! Sections of AS 1851-2012.

use crate::input::Whole;

/// A section of AS 1851-2012.
pub type Section = Whole<2, 14>;
