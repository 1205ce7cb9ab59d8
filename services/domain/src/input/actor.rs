//! Automerge actors.

use serde_json::Value;
use utoipa::openapi::schema::SchemaFormat;
use utoipa::openapi::{RefOr, Schema};

use super::fault::{At, Faults};
use super::{AsSent, Input, schema};
use crate::document::ACTOR_BYTES_MAX;

/// An Automerge actor: hex of 1 to 64 bytes, in either case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor(Vec<u8>);

impl Actor {
    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Input for Actor {
    fn read(value: Value, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        let AsSent(text) = AsSent::read(value, at, faults)?;
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes());
        let bytes = bytes.ok().filter(|bytes| (1..=ACTOR_BYTES_MAX).contains(&bytes.len()));
        if bytes.is_none() {
            faults.add(at, format!("must be an Automerge actor: hex of 1 to {ACTOR_BYTES_MAX} bytes"));
        }
        bytes.map(Self)
    }

    fn schema() -> RefOr<Schema> {
        let mut actor = schema::text(2, Some(2 * ACTOR_BYTES_MAX));
        actor.format = Some(SchemaFormat::Custom("hex".to_owned()));
        actor.into()
    }
}
