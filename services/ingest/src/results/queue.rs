//! What waits to be stored: bounded in number and bytes, each session in one lane.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, OnceLock};

use firemode_domain::document::{Entry, Stranger};
use firemode_runtime::settings::ResultsSettings;
use firemode_storage::changes::Turn;
use firemode_storage::documents::Submission;
use firemode_storage::idempotency::IdempotencyScope;
use firemode_storage::recent_sessions::Visit;
use firemode_web::{Outcome, Problem};
use tokio::sync::{mpsc, oneshot};
use tracing::Span;
use uuid::Uuid;

use crate::principal::Principal;
use crate::waiting::{KeyInUse, KeysInUse, Place, Room};

/// What a request comes to.
pub(super) type Answer = Result<Outcome, Problem>;

/// A decoded request that asks to be stored.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) principal: Principal,
    pub(super) session_id: Uuid,
    pub(super) scope: IdempotencyScope,
    pub(super) fingerprint: [u8; 32],
    pub(super) submission: Submission,
    /// What its changes wait for that its session does not have, by their places in the request. Set when that is first noticed: before
    /// they are held, other sessions are looked into.
    pub(super) strangers: OnceLock<Vec<Stranger>>,
    /// Size of the body.
    pub(super) byte_count: usize,
    /// Operations of its changes, and of the changes that become of its own operations.
    pub(super) operation_count: usize,
}

/// A request in the queue, with its client's place to wait. Dropped unanswered, it answers the client with a 500.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) request: Arc<Request>,
    /// The request's own span.
    pub(super) span: Span,
    reply: oneshot::Sender<Answer>,
    key: KeyInUse,
    /// The place in the queue is free again once the request is answered.
    place: Place,
}

/// The way into the lanes.
#[derive(Debug)]
pub(crate) struct Queue {
    lanes: Vec<mpsc::Sender<Queued>>,
    room: Room,
    keys_in_use: KeysInUse,
}

/// The lanes' ends of the queue, to be run.
#[derive(Debug)]
pub(crate) struct Lanes(pub(super) Vec<mpsc::Receiver<Queued>>);

impl Request {
    /// Whose it is, and for which session.
    pub(super) fn visit(&self) -> Visit {
        let (organisation_id, session_id) = self.session();
        Visit { organisation_id, user_id: self.principal.user_id, session_id }
    }

    /// Organisation and session.
    pub(super) fn session(&self) -> (Uuid, Uuid) {
        (self.principal.organisation_id, self.session_id)
    }

    /// The devices for which it makes the server write.
    pub(super) fn turns(&self) -> impl Iterator<Item = Turn> {
        let entries = self.submission.entries.iter();
        entries.filter_map(|entry| match entry {
            Entry::Operation(operation) => {
                Some(Turn::of(self.session_id, self.principal.user_id, &operation.actor_id))
            }
            Entry::Change(_) => None,
        })
    }
}

impl Queue {
    /// An empty queue.
    pub(crate) fn new(settings: &ResultsSettings) -> (Self, Lanes) {
        // A lane may hold all that the queue has room for: one session may be everybody's.
        let lane = |_| mpsc::channel(settings.queue_requests_max);
        let (lanes, ends) = (0..settings.lanes).map(lane).unzip();
        let queue = Self {
            lanes,
            room: Room::new(settings.queue_requests_max, settings.queue_bytes_max),
            keys_in_use: KeysInUse::default(),
        };
        (queue, Lanes(ends))
    }

    /// Lines a request up; its answer comes after the commit.
    ///
    /// # Errors
    /// 409 while another request of this process works under the same key, 503 where the queue is full.
    pub(super) fn push(&self, request: Request) -> Result<oneshot::Receiver<Answer>, Problem> {
        let place = self.room.take(request.byte_count).ok_or_else(full)?;
        let key = self.keys_in_use.claim(&request.scope).ok_or_else(Problem::in_progress)?;
        let lane = self.lane_of(request.session_id);
        let (reply, answer) = oneshot::channel();
        let queued = Queued { request: Arc::new(request), span: Span::current(), reply, key, place };
        lane.try_send(queued).map_err(|_| full())?;
        Ok(answer)
    }

    /// Requests that wait or are worked on.
    pub(crate) fn len(&self) -> usize {
        self.room.len()
    }

    /// Always the same one for a session, so that no two batches of this process work on one session.
    fn lane_of(&self, session_id: Uuid) -> &mpsc::Sender<Queued> {
        let mut hasher = DefaultHasher::new();
        session_id.hash(&mut hasher);
        let count = self.lanes.len() as u64;
        &self.lanes[usize::try_from(hasher.finish() % count).unwrap_or_default()]
    }
}

impl Queued {
    /// Answers the client. Its key is free from then on.
    pub(super) fn answer(self, answer: Answer) {
        let Self { reply, key, place, .. } = self;
        drop((key, place));
        // A client that has gone will ask again under its key.
        drop(reply.send(answer));
    }
}

fn full() -> Problem {
    Problem::unavailable("More results arrive than can be stored right now. Try again.")
}
