//! The answer to a request with results.

use std::collections::{BTreeMap, BTreeSet};

use firemode_domain::document::{
    ChangeHash, Conflict, Held, Limits, NearLimit, Prepared, SessionDocument, VectorClock,
};
use firemode_web::wire::{ResultsAnswer, told_clock};
use metrics::counter;
use time::OffsetDateTime;
use uuid::Uuid;

/// The document after a request, as far as the answer shows it.
#[derive(Debug)]
pub(super) struct AnsweredDocument {
    vector_clock: BTreeMap<String, u64>,
    heads: Vec<String>,
    held: Vec<Held>,
    conflicts: Vec<Conflict>,
    near_limits: Vec<NearLimit>,
}

/// What the answers to all requests of a batch share about a document.
#[derive(Debug)]
pub(super) struct View {
    vector_clock: VectorClock,
    heads: Vec<String>,
    near_limits: Vec<NearLimit>,
}

/// What of a document matters to a request.
#[derive(Debug)]
pub(super) struct AnswerFilter {
    actors: BTreeSet<String>,
    changes: BTreeSet<ChangeHash>,
    touched: Vec<String>,
}

impl View {
    /// The document as it is now.
    pub(super) fn of(document: &SessionDocument, limits: &Limits) -> Self {
        Self {
            vector_clock: document.vector_clock(),
            heads: document.heads(),
            near_limits: document.near_limits(limits),
        }
    }

    /// Tells operators where the document has come near another of its bounds; so many it was near before.
    pub(super) fn note_limits(&self, were_near: usize, session_id: Uuid) {
        if self.near_limits.len() > were_near {
            counter!("firemode_sessions_near_limit_total").increment(1);
            let limits = &self.near_limits;
            tracing::warn!(%session_id, ?limits, "a session is nearly full: its work should go on in another one");
        }
    }
}

impl AnswerFilter {
    /// What a request named, wrote and touched.
    pub(super) fn of(prepared: &Prepared, seen: Option<&VectorClock>) -> Self {
        let named = seen.into_iter().flat_map(VectorClock::iter).map(|(actor, _)| actor.to_owned());
        let written = prepared.changes.iter().map(|change| change.actor.to_hex_string());
        Self {
            actors: named.chain(written).collect(),
            changes: prepared.changes.iter().map(|change| change.hash).collect(),
            touched: prepared.touched.clone(),
        }
    }

    /// Looks at the document for it.
    pub(super) fn apply(&self, document: &SessionDocument, view: &View) -> AnsweredDocument {
        AnsweredDocument {
            vector_clock: told_clock(&view.vector_clock, |actor| self.actors.contains(actor)),
            heads: view.heads.clone(),
            held: self.held(document),
            conflicts: document.conflicts_touching(&self.touched),
            near_limits: view.near_limits.clone(),
        }
    }

    /// Those of its changes that wait in a document.
    pub(super) fn held(&self, document: &SessionDocument) -> Vec<Held> {
        self.changes.iter().filter_map(|hash| document.held_change(hash)).collect()
    }
}

impl AnsweredDocument {
    /// The answer to results that went on record. Some of the changes and operations may have been stored as late before and
    /// stay apart; then changes may wait for them that were expected to merge.
    pub(super) fn answer(
        self,
        session_id: Uuid,
        prepared: &Prepared,
        apart: usize,
        late_operations: usize,
    ) -> ResultsAnswer {
        let new_entries = prepared.accepted + prepared.held.len();
        ResultsAnswer {
            accepted: new_entries.saturating_sub(self.held.len() + apart),
            late: apart + late_operations,
            ..self.common(session_id, prepared)
        }
    }

    /// The answer to results that came late: the document is as it was, the entries are stored beside it. Some of them may wait for what
    /// is not there, and some changes and operations were stored before, and rejected.
    pub(super) fn late_answer(
        self,
        session_id: Uuid,
        prepared: &Prepared,
        held: Vec<Held>,
        stored_changes: usize,
        stored_operations: usize,
    ) -> ResultsAnswer {
        ResultsAnswer {
            late: (prepared.accepted + prepared.held.len()).saturating_sub(stored_changes),
            duplicates: prepared.duplicates + stored_changes + stored_operations,
            held,
            conflicts: Vec::new(),
            ..self.common(session_id, prepared)
        }
    }

    fn common(self, session_id: Uuid, prepared: &Prepared) -> ResultsAnswer {
        ResultsAnswer {
            session_id,
            status: "processed",
            vector_clock: self.vector_clock,
            heads: self.heads,
            accepted: 0,
            duplicates: prepared.duplicates,
            held: self.held,
            late: 0,
            conflicts: self.conflicts,
            near_limits: self.near_limits,
            receipt: None,
            processed_at: OffsetDateTime::now_utc(),
        }
    }
}
