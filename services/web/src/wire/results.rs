//! `POST /v1/tests/sessions/{session_id}/results`.

use std::collections::BTreeMap;

use firemode_domain::body;
use firemode_domain::document::{Conflict, Entry, Held, NearLimit, VectorClock};
use firemode_domain::input::{AsSent, List, Object};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// A clock of more actors than this is shown in part.
const CLOCK_ACTORS_MAX: usize = 256;

/// The part of a clock that an answer shows: all of it, or where it is long the actors that the request named.
pub fn told_clock(clock: &VectorClock, is_named: impl Fn(&str) -> bool) -> BTreeMap<String, u64> {
    let is_small = clock.len() <= CLOCK_ACTORS_MAX;
    let shown = clock.iter().filter(|(actor, _)| is_small || is_named(actor));
    shown.map(|(actor, seq)| (actor.to_owned(), seq)).collect()
}

body! {
    /// Results of a test session.
    #[derive(Debug)]
    pub struct ResultsBody like {"changes": [{
        "op": "set", "path": "/items/door-7", "value": {"label": "Fire door 7", "outcome": "pass"},
        "actor_id": "tablet-3", "timestamp": "2026-11-21T08:30:00Z",
    }]} {
        /// Automerge changes and operations, in any mixture. All of them are taken, or none.
        pub changes: List<Entry, 0, { usize::MAX }>,
        /// What the client had seen: actor (hex) to highest sequence number. Operations are applied at that point of the
        /// history; without it, at the present state.
        pub vector_clock: Option<VectorClock>,
        /// Stands for the `Idempotency-Key` header where that is not sent.
        pub idempotency_key: Option<AsSent>,
        /// Notes of the client about its synchronisation; they are not kept.
        pub _sync_meta: Option<Object>,
    }
}

/// What became of a request's results. Everything that it counts is stored.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResultsAnswer {
    /// The session.
    pub session_id: Uuid,
    /// Always `processed`.
    #[schema(example = "processed")]
    pub status: &'static str,
    /// The document's clock after this request. Of more than 256 actors only those that the request named are shown.
    pub vector_clock: BTreeMap<String, u64>,
    /// Hashes (hex) of the changes that no other depends on, after this request.
    pub heads: Vec<String>,
    /// Entries that are new and part of the document.
    pub accepted: usize,
    /// Entries that said nothing new.
    pub duplicates: usize,
    /// New changes that wait for changes that have not arrived; they are merged when those do.
    pub held: Vec<Held>,
    /// Entries that are stored apart because they came after the session was completed, until a manager decides.
    pub late: usize,
    /// Places with more than one value among those that this request touched.
    pub conflicts: Vec<Conflict>,
    /// Bounds of the document that are nearly reached; absent where there are none. Go on in another session before they are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub near_limits: Vec<NearLimit>,
    /// Signed by FireMode: keep it, and the device's copy of the request may go, for all that it brought is stored, what is held too.
    /// `GET /v1/receipts/keys` says how to check it. Null where nothing was sent.
    #[schema(example = "eyJhbGciOiJFZERTQSIs...")]
    pub receipt: Option<String>,
    /// When the request was processed.
    #[serde(with = "time::serde::rfc3339")]
    pub processed_at: OffsetDateTime,
}
