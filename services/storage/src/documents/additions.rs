//! Items that the server itself adds to a document.

use firemode_domain::document::{
    ItemSeed, ItemsRefusal, Limits, NewChange, Refusal, SERVER_DEVICE, SessionDocument,
};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{ServerActors, WarmDocument};
use crate::StorageError;

/// About so many bytes of items go into one change, well below what one change may have.
const CHANGE_BYTES: usize = 128 << 10;

/// Items to be added.
#[derive(Debug)]
pub struct Additions {
    /// The items.
    pub items: Vec<ItemSeed>,
    /// Who adds them.
    pub user_id: Uuid,
    /// When the transaction that stores them began.
    pub received_at: OffsetDateTime,
    /// The bounds of the document.
    pub limits: Limits,
    /// The actors to write with.
    pub actors: ServerActors,
}

/// Why items cannot be added.
#[derive(Debug, thiserror::Error)]
pub enum AdditionsRefusal {
    /// One of them cannot be added; its index is that among all of them.
    #[error(transparent)]
    Items(#[from] ItemsRefusal),
    /// The document has no room for them.
    #[error(transparent)]
    Document(#[from] Refusal),
}

impl WarmDocument {
    /// Writes items down and takes them in: as soon as `is_ahead` is set, the document must be dropped unless the changes that
    /// this gives are stored and committed.
    ///
    /// # Errors
    /// The work panicked; the document is then empty, to be loaded again. The inner error is for the client.
    pub async fn add_items(
        &mut self,
        additions: Additions,
        is_ahead: &mut bool,
    ) -> Result<Result<Vec<NewChange>, AdditionsRefusal>, StorageError> {
        let (added, ahead) = self
            .work(move |warm| {
                let actor = additions.actors.as_writer(additions.user_id, |writer| {
                    warm.document.actor_of(writer, SERVER_DEVICE, &additions.limits)
                });
                let mut changes = Vec::new();
                let mut first = 0;
                for run in runs(&additions.items) {
                    let change = warm.document.items_change(&actor, run, additions.received_at);
                    let change = change.map_err(|refusal| AdditionsRefusal::Items(behind(refusal, first)));
                    let change = change.and_then(|change| {
                        warm.document.check_room_for(&change, &additions.limits)?;
                        Ok(change)
                    });
                    match change {
                        Ok(change) => changes.push(take_in(&mut warm.document, change, &additions)),
                        Err(refusal) => return (Err(refusal), !changes.is_empty()),
                    }
                    first += run.len();
                }
                (Ok(changes), true)
            })
            .await?;
        *is_ahead |= ahead;
        Ok(added)
    }
}

fn take_in(document: &mut SessionDocument, change: NewChange, additions: &Additions) -> NewChange {
    document.integrate([change.recorded(additions.user_id, additions.received_at)]);
    change
}

/// Items that go into one change each time.
fn runs(items: &[ItemSeed]) -> impl Iterator<Item = &[ItemSeed]> {
    let mut bytes = 0;
    items.chunk_by(move |item, _| {
        bytes += bytes_of(item);
        let has_room = bytes < CHANGE_BYTES;
        if !has_room {
            bytes = 0;
        }
        has_room
    })
}

fn bytes_of(item: &ItemSeed) -> usize {
    let texts = [&item.asset_id, &item.item_code, &item.label, &item.location];
    let texts: usize = texts.into_iter().flatten().map(String::len).sum();
    let data = item.data.as_ref().and_then(|data| serde_json::to_vec(data).ok()).map_or(0, |data| data.len());
    item.item_id.len() + texts + data + 100
}

/// The refusal of an item of a run, with its index among all items.
fn behind(refusal: ItemsRefusal, first: usize) -> ItemsRefusal {
    match refusal {
        ItemsRefusal::Exists { index, item_id } => ItemsRefusal::Exists { index: first + index, item_id },
        ItemsRefusal::InvalidId { index } => ItemsRefusal::InvalidId { index: first + index },
        ItemsRefusal::TooDeep { index } => ItemsRefusal::TooDeep { index: first + index },
        full @ ItemsRefusal::DocumentFull => full,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_items_go_into_several_changes() {
        let item = |index: usize| ItemSeed {
            item_id: index.to_string(),
            label: Some("x".repeat(1_000)),
            ..ItemSeed::default()
        };
        let items: Vec<ItemSeed> = (0..300).map(item).collect();
        let lengths: Vec<usize> = runs(&items).map(<[_]>::len).collect();
        assert_eq!(lengths.iter().sum::<usize>(), 300);
        assert!(lengths.len() == 3 && lengths.iter().all(|length| *length <= 120), "{lengths:?}");
        let mut document = WarmDocument::default();
        let additions = Additions {
            items: [items, vec![item(7)]].concat(),
            user_id: Uuid::nil(),
            received_at: OffsetDateTime::UNIX_EPOCH,
            limits: Limits::default(),
            actors: ServerActors::default(),
        };
        let mut is_ahead = false;
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime can be made");
        let added = runtime.block_on(document.add_items(additions, &mut is_ahead)).expect("nothing panics");
        let refusal = added.expect_err("one comes twice").to_string();
        assert_eq!(refusal, "items[300]: there is an item `7` already");
        assert!(is_ahead, "earlier runs are in the document");
    }
}
