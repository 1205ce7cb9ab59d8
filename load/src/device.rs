//! A technician's device: its own copy of the session's document, and what the server last answered.

use std::sync::Arc;

use anyhow::{Context, Result};
use automerge::transaction::Transactable as _;
use automerge::{ActorId, AutoCommit, AutomergeError, ObjId, ROOT, ReadDoc as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::RequestBuilder;
use serde_json::Value;
use uuid::Uuid;

use crate::api::{Api, text};
use crate::catalogue::Kind;
use crate::pace::Pace;
use crate::record::Record;
use crate::token::Token;

/// Where a device works.
#[derive(Debug, Clone)]
pub(crate) struct Seat {
    pub(crate) api: Api,
    pub(crate) token: Token,
    pub(crate) session_id: String,
    /// Its number among all devices.
    pub(crate) number: usize,
    pub(crate) items: Vec<Item>,
    /// What it was told is stored.
    pub(crate) record: Arc<Record>,
}

/// An item that a device tests.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) id: String,
    pub(crate) kind: &'static Kind,
}

/// A device with everything that it downloaded.
#[derive(Debug, Clone)]
pub(crate) struct Device {
    pub(crate) seat: Seat,
    /// The vector clock that it saw last.
    pub(crate) seen: Value,
    /// Changes, in base64, that the server has not acknowledged yet.
    pub(crate) unsent: Vec<String>,
    pub(crate) pace: Pace,
    document: AutoCommit,
    tested: usize,
}

impl Device {
    /// Takes the document, the actor id and the clock of an offline bundle.
    pub(crate) fn with_bundle(seat: Seat, pace: Pace, bundle: &Value) -> Result<Self> {
        let saved =
            STANDARD.decode(text(bundle, "/document")?).context("the bundle's document is not base64")?;
        let actor = ActorId::try_from(text(bundle, "/actor_id")?).context("the bundle's actor id")?;
        let document = AutoCommit::load(&saved).context("the bundle's document")?.with_actor(actor);
        let seen = bundle["vector_clock"].clone();
        Ok(Self { seen, unsent: Vec::new(), pace, document, tested: seat.number, seat })
    }

    pub(crate) fn number(&self) -> usize {
        self.seat.number
    }

    /// The name under which it sends operations.
    pub(crate) fn name(&self) -> String {
        format!("load-{}", self.seat.number)
    }

    /// The item whose turn it is.
    pub(crate) fn next_item(&mut self) -> Item {
        self.tested += 1;
        self.seat.items[self.tested % self.seat.items.len()].clone()
    }

    /// What it finds there: a pass three times out of four.
    pub(crate) fn outcome(&self) -> &'static str {
        if self.tested.is_multiple_of(4) { "fail" } else { "pass" }
    }

    /// The item that all devices of its session test.
    pub(crate) fn shared_item(&self) -> &Item {
        &self.seat.items[0]
    }

    /// Edits its own document; the change waits in `unsent`.
    pub(crate) fn edit(&mut self, item_id: &str, fields: &[(&str, &str)]) -> Result<(), AutomergeError> {
        let item = self.object(&ROOT, "items").and_then(|items| self.object(&items, item_id));
        let item = item.ok_or(AutomergeError::NotAnObject)?;
        for (field, value) in fields {
            self.document.put(&item, *field, *value)?;
        }
        self.document.commit();
        let change = self.document.get_last_local_change();
        self.unsent.extend(change.map(|change| STANDARD.encode(change.raw_bytes())));
        Ok(())
    }

    fn object(&self, parent: &ObjId, key: &str) -> Option<ObjId> {
        self.document.get(parent, key).ok().flatten().map(|(_, id)| id)
    }

    /// A POST by this device, with an idempotency key that nobody else uses.
    pub(crate) fn post(&self, path: &str) -> RequestBuilder {
        let request = self.seat.api.post(path).bearer_auth(self.seat.token.now());
        request.header("Idempotency-Key", Uuid::new_v4().to_string())
    }

    /// A POST to its session's results.
    pub(crate) fn post_results(&self) -> RequestBuilder {
        self.post(&format!("/v1/tests/sessions/{}/results", self.seat.session_id))
    }
}
