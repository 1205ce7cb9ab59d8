//! A technician's device: an Automerge document of its own, edited with the library as any client would.

use std::num::NonZeroU64;

use automerge::transaction::{CommitOptions, Transactable as _};
use automerge::{
    ActorId, AutoCommit, Change, ExpandedChange, ObjId, ObjType, ROOT, ReadDoc as _, ScalarValue,
};
use serde_json::{Value, json};

use super::{Client, Site, base64};

/// A device with a copy of a session's document.
#[derive(Debug, Clone)]
pub(crate) struct Device {
    document: AutoCommit,
    /// What the session's clock said when the copy was taken.
    pub(crate) seen: Value,
}

impl Device {
    /// Takes the offline bundle of a site's session, and the actor that comes with it.
    pub(crate) fn of(site: &Site) -> Self {
        Self::with_bundle(&site.admin, site)
    }

    /// The same as another user.
    pub(crate) fn with_bundle(client: &Client, site: &Site) -> Self {
        use ::base64::Engine as _;
        let bundle = client.get(&site.session("/offline_bundle")).expect(200);
        let saved = ::base64::engine::general_purpose::STANDARD.decode(bundle.text("/document"));
        let mut document = AutoCommit::load(&saved.expect("a bundle's document is base64"))
            .expect("the library loads what the server saves");
        document.set_actor(actor(&bundle.text("/actor_id")));
        Self { document, seen: bundle["vector_clock"].clone() }
    }

    /// The same copy under another actor.
    pub(crate) fn with_actor(&self, actor_id: &str) -> Self {
        let mut other = self.clone();
        other.document.set_actor(actor(actor_id));
        other
    }

    pub(crate) fn actor(&self) -> String {
        self.document.get_actor().to_hex_string()
    }

    /// Sets a field of an item. The bytes of the change that does it.
    pub(crate) fn set(&mut self, item: &str, field: &str, value: impl Into<ScalarValue>) -> Vec<u8> {
        let item = self.item(item);
        self.document.put(&item, field, value).expect("a field of an item can be set");
        self.last_change()
    }

    /// Sets a field of an item to a text object, as the JavaScript library writes strings.
    pub(crate) fn set_text(&mut self, item: &str, field: &str, value: &str) -> Vec<u8> {
        let item = self.item(item);
        let text =
            self.document.put_object(&item, field, ObjType::Text).expect("a field of an item can be set");
        self.document.splice_text(&text, 0, 0, value).expect("a text can be written");
        self.last_change()
    }

    /// Makes an item.
    pub(crate) fn add_item(&mut self, item: &str, outcome: &str) -> Vec<u8> {
        let items = self.items();
        let made = self.document.put_object(&items, item, ObjType::Map).expect("an item can be made");
        self.document.put(&made, "outcome", outcome).expect("a field of an item can be set");
        self.last_change()
    }

    /// Replaces an item by an empty one.
    pub(crate) fn replace_item(&mut self, item: &str) -> Vec<u8> {
        let items = self.items();
        self.document.put_object(&items, item, ObjType::Map).expect("an item can be replaced");
        self.last_change()
    }

    /// Replaces all items, as a careless client would.
    pub(crate) fn replace_all_items(&mut self) -> Vec<u8> {
        self.document.put_object(ROOT, "items", ObjType::Map).expect("the root can be written");
        self.last_change()
    }

    /// Sets a field of an item by a clock of its own, in seconds since 1970.
    pub(crate) fn set_at(&mut self, seconds: i64, item: &str, field: &str, value: &str) -> Vec<u8> {
        let item = self.item(item);
        self.document.put(&item, field, value).expect("a field of an item can be set");
        self.document.commit_with(CommitOptions::default().with_time(seconds));
        self.document.get_last_local_change().expect("the edit is a change").raw_bytes().to_vec()
    }

    /// A change that builds on the device's next one and would damage the document, and that next one.
    pub(crate) fn damaging(&mut self, item: &str) -> (Vec<u8>, Vec<u8>) {
        let next = self.set(item, "outcome", "pass");
        let sound = Change::from_bytes(self.set(item, "notes", "builds on it"))
            .expect("the library reads what it writes");
        // Its operations have numbers that are taken.
        let damaging = ExpandedChange { start_op: NonZeroU64::MIN, ..sound.decode() };
        (Change::from(damaging).raw_bytes().to_vec(), next)
    }

    /// Learns what the server has.
    pub(crate) fn catch_up(&mut self, site: &Site) {
        let mut other = Self::of(site);
        self.document.merge(&mut other.document).expect("two copies of a document merge");
        self.seen = other.seen;
    }

    /// Heads of the copy, sorted.
    pub(crate) fn heads(&mut self) -> Vec<String> {
        let mut heads: Vec<String> = self.document.get_heads().iter().map(ToString::to_string).collect();
        heads.sort();
        heads
    }

    /// A body with changes, at what the device has seen.
    pub(crate) fn body(&self, changes: &[&[u8]]) -> Value {
        let changes: Vec<String> = changes.iter().map(|change| base64(change)).collect();
        json!({"changes": changes, "vector_clock": self.seen})
    }

    fn last_change(&mut self) -> Vec<u8> {
        self.document.commit();
        let change = self.document.get_last_local_change().expect("the edit is a change");
        change.raw_bytes().to_vec()
    }

    fn items(&self) -> ObjId {
        let (_, items) =
            self.document.get(ROOT, "items").expect("a document can be read").expect("it has items");
        items
    }

    fn item(&self, item: &str) -> ObjId {
        let found = self.document.get(self.items(), item).expect("a document can be read");
        found.unwrap_or_else(|| panic!("the document has no item {item}")).1
    }
}

/// The hash by which a change is known, in hex.
pub(crate) fn change_hash(change: &[u8]) -> String {
    Change::from_bytes(change.to_vec()).expect("a device makes changes that can be read").hash().to_string()
}

fn actor(hex: &str) -> ActorId {
    hex.parse().unwrap_or_else(|_| panic!("'{hex}' is no actor id"))
}
