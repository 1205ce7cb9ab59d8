//! A session under attack.

use std::collections::HashSet;

use automerge::{ActorId, Automerge, Change};
use firemode_domain::document::{
    Entry, ItemSeed, Limits, Prepared, Provenance, RecordedChange, Refusal, SessionDocument, VectorClock,
    WriterContext,
};
use firemode_domain::input;
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

/// Time stands still: nothing that is checked may depend on it.
const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

/// The user who attacks.
const ATTACKER: Uuid = Uuid::from_u128(0xbad);

const CREATOR: Uuid = Uuid::from_u128(0xc0de);
const TECHNICIAN: Uuid = Uuid::from_u128(0x7ec);

/// The actor with this number.
pub(crate) fn actor(number: u8) -> ActorId {
    let mut bytes = [0; 16];
    bytes[15] = number;
    ActorId::from(bytes)
}

fn device_actor(device: &str) -> ActorId {
    actor(device.bytes().fold(100, u8::wrapping_add))
}

/// A session's document and every row that was stored for it.
pub(crate) struct Session {
    pub(crate) document: SessionDocument,
    rows: Vec<RecordedChange>,
    /// Actor and sequence number of every row.
    lines: HashSet<(ActorId, u64)>,
}

impl Session {
    /// A session with the items `a` and `b`.
    pub(crate) fn new() -> Self {
        let item = |id: &str| ItemSeed {
            item_id: id.to_owned(),
            label: Some("Hose reel".to_owned()),
            ..ItemSeed::default()
        };
        let creation = SessionDocument::creation_change(&actor(1), &[item("a"), item("b")], NOW);
        let creation = creation.expect("two plain items can be written").recorded(CREATOR, NOW);
        let mut document = SessionDocument::empty();
        document.integrate([creation.clone()]);
        Self { document, rows: vec![creation], lines: HashSet::from([(actor(1), 1)]) }
    }

    /// Sends a request of the attacker.
    pub(crate) fn send(
        &mut self,
        entries: Vec<Entry>,
        seen: Option<&VectorClock>,
    ) -> Result<Prepared, Refusal> {
        self.send_as(ATTACKER, entries, seen)
    }

    /// Brings a change that another process has stored: only the checks at reading stand in between. The store takes one
    /// change for an actor and sequence number, and no other.
    pub(crate) fn find_stored(&mut self, change: &Change) {
        if !self.lines.insert((change.actor_id().clone(), change.seq())) {
            return;
        }
        let row = RecordedChange {
            hash: change.hash(),
            bytes: change.raw_bytes().to_vec(),
            provenance: Provenance { user_id: ATTACKER, device: None, received_at: NOW },
        };
        self.document.integrate([row.clone()]);
        self.rows.push(row);
    }

    fn send_as(
        &mut self,
        user_id: Uuid,
        entries: Vec<Entry>,
        seen: Option<&VectorClock>,
    ) -> Result<Prepared, Refusal> {
        let before = (self.document.heads(), self.document.change_count());
        let mut writer = WriterContext { user_id, new_actor: &mut device_actor, may_go_on_with: &|_| true };
        let prepared = self.document.prepare(entries, seen, &mut writer, &Limits::default());
        assert_eq!(
            before,
            (self.document.heads(), self.document.change_count()),
            "preparing changes nothing"
        );
        let prepared = prepared?;
        self.document.adopt(&prepared, NOW);
        self.rows.extend(prepared.changes.iter().map(|change| change.recorded(prepared.user_id, NOW)));
        self.lines.extend(prepared.changes.iter().map(|change| (change.actor.clone(), change.seq)));
        Ok(prepared)
    }

    /// Asserts what must hold after any input. Rows come again in the order that `order` gives them.
    pub(crate) fn check(mut self, order: &[u8]) {
        self.check_honest_work();
        let saved = self.document.save();
        assert!(self.document.is_sound_save(&saved), "what is saved loads again");
        let mut heads: Vec<String> = Automerge::load(&saved)
            .expect("it is sound")
            .get_heads()
            .iter()
            .map(ToString::to_string)
            .collect();
        heads.sort_unstable();
        assert_eq!(heads, self.document.heads(), "the library sees the same heads");

        let view = self.document.view();
        let keys = view.document.as_object().expect("a document is an object").keys();
        let paths: Vec<String> =
            keys.map(|key| format!("/{}", key.replace('~', "~0").replace('/', "~1"))).collect();
        assert_eq!(
            self.document.conflicts_touching(&paths),
            view.conflicts,
            "the index and the document agree"
        );

        let mut other = SessionDocument::empty();
        for row in self.shuffled(order) {
            other.integrate([row]);
        }
        assert_eq!(seen_of(&self.document), seen_of(&other), "the order of rows does not matter");
        let mut at_once = SessionDocument::empty();
        at_once.integrate(self.shuffled(order).into_iter().chain(self.rows.clone()));
        assert_eq!(seen_of(&self.document), seen_of(&at_once), "nor does repeating them");
        let copied = SessionDocument::of_copy(&self.document.copy()).expect("a copy can be read");
        assert_eq!(seen_of(&self.document), seen_of(&copied), "a copy is the same document");
    }

    /// A technician who works on an item is never shut out by what others have sent.
    fn check_honest_work(&mut self) {
        let operation = json!({
            "op": "set", "path": "/items/honest", "value": { "outcome": "fail" },
            "actor_id": "honest", "timestamp": "2026-11-21T09:00:00Z",
        });
        let entry = input::read(operation).expect("it is well formed");
        let prepared = self.send_as(TECHNICIAN, vec![entry], None).expect("honest work is taken");
        assert_eq!(prepared.accepted, 1);
        assert_eq!(self.document.view().document["items"]["honest"]["outcome"], "fail");
    }

    fn shuffled(&self, order: &[u8]) -> Vec<RecordedChange> {
        let mut rows = self.rows.clone();
        rows.reverse();
        for (position, choice) in order.iter().enumerate().take(rows.len()) {
            let other = usize::from(*choice) % rows.len();
            rows.swap(position, other);
        }
        rows
    }
}

/// Everything that a reader can see.
fn seen_of(document: &SessionDocument) -> impl PartialEq + std::fmt::Debug + use<> {
    let view = document.view();
    let quarantined: Vec<_> =
        document.quarantined().into_iter().map(|kept| (kept.hash, kept.fault)).collect();
    (document.heads(), document.vector_clock(), view.document, view.conflicts, document.held(), quarantined)
}
