//! The items of a session: changes that the server makes itself.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError};

use automerge::ActorId;
use automerge::legacy::ObjectId;
use serde_json::Value;
use thiserror::Error;
use time::OffsetDateTime;

use super::change::{NewChange, SERVER_DEVICE};
use super::edit::Draft;
use super::history::{NodeId, OpRef, Spot};
use super::limits::OPERATION_COUNTER_MAX;
use super::operation::{VALUE_DEPTH_MAX, is_deeper_than};
use super::pointer::{ITEMS, Pointer, check_segment};
use super::session::SessionDocument;
use super::view::{Shown, spot_of, spots_of};

/// An item as it is put into the document.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ItemSeed {
    /// The key under `/items`: the asset's id, or any other id.
    pub item_id: String,
    /// The asset it is about.
    pub asset_id: Option<String>,
    /// The code in the register.
    pub item_code: Option<String>,
    /// What it is called.
    pub label: Option<String>,
    /// Where it is.
    pub location: Option<String>,
    /// Free JSON of any kind, null included, kept in the item's field `data`.
    pub data: Option<Value>,
}

/// Why items cannot be added.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ItemsRefusal {
    /// An item with this id is there already, or was given twice.
    #[error("items[{index}]: there is an item `{item_id}` already")]
    Exists {
        /// Position of the item, from 0.
        index: usize,
        /// Its id.
        item_id: String,
    },
    /// An id is empty or too long.
    #[error("items[{index}].id: 1 to 256 bytes are expected")]
    InvalidId {
        /// Position of the item, from 0.
        index: usize,
    },
    /// The free data nests too deeply.
    #[error("items[{index}].data: the value is nested too deeply")]
    TooDeep {
        /// Position of the item, from 0.
        index: usize,
    },
    /// The document takes no more operations.
    #[error("the session's document is full")]
    DocumentFull,
}

impl SessionDocument {
    /// The first change of a session: a map `items` with one map for each item, so that edits of two devices
    /// merge field by field. `actor` is a fresh actor of the server.
    ///
    /// # Errors
    ///
    /// [`ItemsRefusal`] when an id is given twice or data nests too deeply.
    pub fn creation_change(
        actor: &ActorId,
        items: &[ItemSeed],
        at: OffsetDateTime,
    ) -> Result<NewChange, ItemsRefusal> {
        Self::empty().items_change(actor, items, at)
    }

    /// A change that adds items to this document. `actor` is an actor of the server that nobody else writes
    /// with; its next sequence number follows from this document.
    ///
    /// # Errors
    ///
    /// [`ItemsRefusal`] when an item is there already or data nests too deeply.
    pub fn items_change(
        &self,
        actor: &ActorId,
        items: &[ItemSeed],
        at: OffsetDateTime,
    ) -> Result<NewChange, ItemsRefusal> {
        self.check_seeds(items)?;
        let heads = self.history.heads();
        let start_op = self.history.highest_counter(&heads) + 1;
        let own_changes =
            self.history.actor_number(actor).map_or(0, |actor| self.history.actor(actor).last_seq);
        let mut draft = Draft {
            actor: actor.clone(),
            seq: u64::from(own_changes) + 1,
            start_op,
            deps: self.history.hashes(&heads),
            stated_at_seconds: at.unix_timestamp(),
            operations: Vec::new(),
        };
        let map = match self.item_maps().last() {
            Some(map) => ObjectId::Id(self.history.op_id(*map)),
            None => ObjectId::Id(draft.make_map(ObjectId::Root, ITEMS)),
        };
        for item in items {
            write_item(&mut draft, &map, item);
        }
        let last = u64::from(start_op) + draft.operations.len() as u64;
        if last > u64::from(OPERATION_COUNTER_MAX) {
            return Err(ItemsRefusal::DocumentFull);
        }
        let change = draft.finish(None);
        Ok(NewChange::of(Arc::new(change), Some(SERVER_DEVICE.to_owned())))
    }

    fn check_seeds(&self, items: &[ItemSeed]) -> Result<(), ItemsRefusal> {
        let maps = self.item_maps();
        let exists = |id: &str| {
            let (_, spot) = spot_of(&self.history, &Pointer::items(), &maps, id);
            self.history.standing_at(&spot, None).values().next().is_some()
        };
        let mut ids = HashSet::new();
        for (index, item) in items.iter().enumerate() {
            check_segment(&item.item_id).map_err(|_| ItemsRefusal::InvalidId { index })?;
            if exists(&item.item_id) || !ids.insert(&item.item_id) {
                return Err(ItemsRefusal::Exists { index, item_id: item.item_id.clone() });
            }
            if item.data.as_ref().is_some_and(|data| is_deeper_than(data, VALUE_DEPTH_MAX)) {
                return Err(ItemsRefusal::TooDeep { index });
            }
        }
        Ok(())
    }

    /// How many items the document shows. They are counted again where something was done to the items as such since they last were, or
    /// where some are in dispute, so that what is done inside of one may bring it back.
    #[must_use]
    pub fn item_count(&self) -> usize {
        let mut counted = self.counted_items.lock().unwrap_or_else(PoisonError::into_inner);
        let mut maps = self.item_maps();
        maps.push(OpRef::ROOT);
        let changes = self.history.len();
        let is_new = |change: usize| {
            let operations = &self.history.node(change as NodeId).operations;
            operations.iter().any(|operation| maps.contains(&operation.object))
        };
        let is_disputed = maps.iter().any(|map| self.history.is_disputed_map(*map));
        if is_disputed || changes < counted.changes || (counted.changes..changes).any(is_new) {
            counted.items = self.count_items(&maps[..maps.len() - 1]);
        }
        counted.changes = changes;
        counted.items
    }

    fn count_items(&self, maps: &[OpRef]) -> usize {
        let spots = spots_of(&self.history, &Pointer::items(), maps);
        let is_shown = |spot: &&Spot| self.history.standing_at(spot, None).values().next().is_some();
        spots.values().filter(is_shown).count()
    }

    /// The maps of the items, the one that Automerge shows last.
    fn item_maps(&self) -> Vec<OpRef> {
        let (_, spot) = spot_of(&self.history, &Pointer::default(), &[OpRef::ROOT], ITEMS);
        let standing = self.history.standing_at(&spot, None);
        match Shown::of(&self.history, &Pointer::items(), &standing, None) {
            Shown::Maps(maps) => maps,
            _ => Vec::new(),
        }
    }
}

fn write_item(draft: &mut Draft, items: &ObjectId, item: &ItemSeed) {
    let map = draft.make_map(items.clone(), &item.item_id);
    let fields = [
        ("asset_id", &item.asset_id),
        ("item_code", &item.item_code),
        ("label", &item.label),
        ("location", &item.location),
    ];
    for (key, text) in fields {
        if let Some(text) = text {
            draft.write_entry(&map, key, &Value::String(text.clone()));
        }
    }
    if let Some(data) = &item.data {
        draft.write_entry(&map, "data", data);
    }
    // So that what two devices add to them apart is in one map.
    for collection in ["evidence", "measurements"] {
        draft.make_map(ObjectId::Id(map.clone()), collection);
    }
}
