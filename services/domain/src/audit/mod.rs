//! Audit events and their canonical bytes.
//!
//! The bytes of an event ([`AuditEvent::leaf`]) are the same wherever and whenever they are made, so their hash
//! ([`leaf_hash`]) can stand in the database row, be chained, and become a leaf of an RFC 6962 tree.

mod canonical;
mod commitment;
mod event;
mod on_record;

pub use canonical::{CanonicalError, DEPTH_MAX, canonical_json};
pub use commitment::{Commitment, Commitments, is_code};
pub use event::{AuditEvent, AuditStatus, LeafError, leaf_hash, truncate_to_microseconds};
pub use on_record::{OnRecord, Plain, Record};
