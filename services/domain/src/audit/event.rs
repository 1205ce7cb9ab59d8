//! The audit event, its leaf and the way back.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};
use uuid::Uuid;

use super::canonical::{CanonicalError, canonical_json};

/// The layout of the leaf; a new one gets a new number, old leaves keep theirs.
const LEAF_VERSION: u8 = 1;

/// The layout of a leaf that stands in the place of one that said too much. The number between them is not given yet.
const REPLACEMENT_VERSION: u8 = 3;

crate::words! {
    /// Whether the act succeeded.
    pub enum AuditStatus {
        /// It did.
        Success = "success",
        /// It was refused or failed; it is recorded all the same.
        Failure = "failure",
    }
}

/// One act of one person, or of the system, on one object.
///
/// `before` and `after` hold no personal data: no names, addresses, e-mail addresses, free text or free fields.
/// Leaves are kept for ever and cannot be edited, while personal data must be erasable. Refer to people by their id, and
/// commit to what people write ([`Commitments`](super::Commitments)).
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEvent {
    /// Id of the event.
    pub id: Uuid,
    /// The organisation in whose record it stands.
    pub organisation_id: Uuid,
    /// Who acted; `None` for the system itself or for someone who is not known (yet).
    pub actor_user_id: Option<Uuid>,
    /// What was done, as noun and verb, such as `session.create`.
    pub action: Cow<'static, str>,
    /// Kind of object, such as `session`.
    pub resource_type: Cow<'static, str>,
    /// Id of the object, if it has one.
    pub resource_id: Option<String>,
    /// Whether the act succeeded.
    pub status: AuditStatus,
    /// The object before the act, as far as it changed; JSON `null` is the same as `None`.
    pub before: Option<Value>,
    /// The object after the act, as far as it changed; JSON `null` is the same as `None`.
    pub after: Option<Value>,
    /// The request that caused it (`X-Transaction-Id`).
    pub transaction_id: Uuid,
    /// When it happened. The leaf keeps UTC and microseconds, as PostgreSQL does.
    pub at: OffsetDateTime,
    /// The hash, in hex, of the leaf that stood here before, where that one said too much.
    pub replaces: Option<String>,
}

/// Why an event has no leaf, or bytes are not one.
#[derive(Debug, thiserror::Error)]
pub enum LeafError {
    /// `before` or `after` has no canonical form.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
    /// The time lies outside the years 0 to 9999.
    #[error("the time of an audit event must lie in the years 0 to 9999")]
    Time,
    /// The bytes are not the JSON of an audit event.
    #[error("not an audit event: {0}")]
    Json(#[from] serde_json::Error),
    /// The leaf has a layout that this version does not know.
    #[error("the leaf has the unknown version {0}")]
    Version(u8),
    /// The bytes are an audit event, but not its canonical bytes: somebody rewrote them.
    #[error("the bytes are not the canonical form of the event")]
    NotCanonical,
}

/// The members of a leaf. All of them are always there, and what an event does not have is `null`; but for `replaces`, which
/// only a replacement has.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Leaf<'a> {
    v: u8,
    id: Uuid,
    organisation_id: Uuid,
    actor_user_id: Option<Uuid>,
    action: Cow<'a, str>,
    resource_type: Cow<'a, str>,
    resource_id: Option<Cow<'a, str>>,
    status: AuditStatus,
    before: Option<Cow<'a, Value>>,
    after: Option<Cow<'a, Value>>,
    transaction_id: Uuid,
    at: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    replaces: Option<Cow<'a, str>>,
}

impl AuditEvent {
    /// An act of the system itself that succeeded, now.
    pub fn of_system(
        organisation_id: Uuid,
        transaction_id: Uuid,
        action: &'static str,
        resource: (&'static str, String),
    ) -> Self {
        Self {
            id: Uuid::now_v7(),
            organisation_id,
            actor_user_id: None,
            action: Cow::Borrowed(action),
            resource_type: Cow::Borrowed(resource.0),
            resource_id: Some(resource.1),
            status: AuditStatus::Success,
            before: None,
            after: None,
            transaction_id,
            at: truncate_to_microseconds(OffsetDateTime::now_utc()),
            replaces: None,
        }
    }

    /// The id of an event that is to stand in the log once, by the process that writes it first: the same parts give the same
    /// one.
    pub fn id_of(parts: &[&[u8]]) -> Uuid {
        let mut hash = Sha256::new();
        for part in parts {
            // With their lengths, so that no other parts come to the same.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.finalize()[..16]);
        uuid::Builder::from_custom_bytes(bytes).into_uuid()
    }

    /// The canonical bytes of the event: RFC 8785 JSON of all its fields and of `"v":1`, or `"v":3` for a replacement.
    ///
    /// # Errors
    /// [`LeafError::Canonical`] when `before` or `after` holds an integer beyond a double or is nested too deep,
    /// [`LeafError::Time`] for a time outside the years 0 to 9999.
    pub fn leaf(&self) -> Result<Vec<u8>, LeafError> {
        let leaf = Leaf {
            v: if self.replaces.is_some() { REPLACEMENT_VERSION } else { LEAF_VERSION },
            id: self.id,
            organisation_id: self.organisation_id,
            actor_user_id: self.actor_user_id,
            action: Cow::Borrowed(&self.action),
            resource_type: Cow::Borrowed(&self.resource_type),
            resource_id: self.resource_id.as_deref().map(Cow::Borrowed),
            status: self.status,
            before: self.before.as_ref().map(Cow::Borrowed),
            after: self.after.as_ref().map(Cow::Borrowed),
            transaction_id: self.transaction_id,
            at: Cow::Owned(format_time(self.at)?),
            replaces: self.replaces.as_deref().map(Cow::Borrowed),
        };
        Ok(canonical_json(&serde_json::to_value(leaf)?)?)
    }

    /// Reads an event back from its leaf, for verification.
    ///
    /// The leaf of the result is equal to `leaf`, byte for byte.
    ///
    /// # Errors
    /// [`LeafError::Json`], [`LeafError::Version`] or [`LeafError::NotCanonical`] when the bytes are not the leaf of an
    /// event.
    pub fn from_leaf(leaf: &[u8]) -> Result<Self, LeafError> {
        #[derive(Deserialize)]
        struct Version {
            v: u8,
        }
        let Version { v } = serde_json::from_slice(leaf)?;
        if ![LEAF_VERSION, REPLACEMENT_VERSION].contains(&v) {
            return Err(LeafError::Version(v));
        }
        let read: Leaf<'_> = serde_json::from_slice(leaf)?;
        let event = Self {
            id: read.id,
            organisation_id: read.organisation_id,
            actor_user_id: read.actor_user_id,
            action: Cow::Owned(read.action.into_owned()),
            resource_type: Cow::Owned(read.resource_type.into_owned()),
            resource_id: read.resource_id.map(Cow::into_owned),
            status: read.status,
            before: read.before.map(Cow::into_owned),
            after: read.after.map(Cow::into_owned),
            transaction_id: read.transaction_id,
            at: OffsetDateTime::parse(&read.at, &Rfc3339).map_err(|_| LeafError::Time)?,
            replaces: read.replaces.map(Cow::into_owned),
        };
        if event.leaf()? == leaf { Ok(event) } else { Err(LeafError::NotCanonical) }
    }
}

/// The hash of a leaf: SHA-256 over a zero byte and the leaf, the leaf hash of RFC 6962, section 2.1.
pub fn leaf_hash(leaf: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update([0]).chain_update(leaf).finalize().into()
}

/// The time in UTC, without what PostgreSQL would not keep, so that a row and its leaf say the same.
pub fn truncate_to_microseconds(at: OffsetDateTime) -> OffsetDateTime {
    let at = at.to_offset(UtcOffset::UTC);
    at - time::Duration::nanoseconds(i64::from(at.nanosecond() % 1_000))
}

fn format_time(at: OffsetDateTime) -> Result<String, LeafError> {
    let layout = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");
    let at = at
        .checked_to_offset(UtcOffset::UTC)
        .filter(|at| (0..=9999).contains(&at.year()))
        .ok_or(LeafError::Time)?;
    at.format(&layout).map_err(|_| LeafError::Time)
}
