//! Ids of items.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::openapi::{RefOr, Schema};

use super::fault::{At, Faults};
use super::{ClientKey, Input};
use crate::spelling;

/// The id of an item: a UUID in any spelling, which is written in one, or what else the client calls it, as it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct ItemId<const MAX: usize>(String);

impl<const MAX: usize> From<String> for ItemId<MAX> {
    fn from(sent: String) -> Self {
        Self(spelling::shown(&sent).into_owned())
    }
}

impl<const MAX: usize> From<ItemId<MAX>> for String {
    fn from(id: ItemId<MAX>) -> Self {
        id.0
    }
}

impl<const MAX: usize> Input for ItemId<MAX> {
    fn read(value: Value, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        ClientKey::<MAX>::read(value, at, faults).map(|sent| sent.into_string().into())
    }

    fn schema() -> RefOr<Schema> {
        ClientKey::<MAX>::schema()
    }
}

impl<const MAX: usize> ItemId<MAX> {
    /// The id as it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
