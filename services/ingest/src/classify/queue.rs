//! What waits to be classified: bounded in number and bytes, and recorded together with whatever has lined up beside it.

use std::sync::Arc;

use actix_web::web;
use firemode_domain::classification::has_free_text;
use firemode_domain::input::Object;
use firemode_runtime::settings::ClassifySettings;
use firemode_storage::StorageError;
use firemode_storage::fault_sites::SiteKey;
use firemode_storage::idempotency::IdempotencyScope;
use firemode_web::wire::ClassifyBody;
use firemode_web::{Outcome, Problem};
use time::OffsetDateTime;
use tokio::sync::{mpsc, oneshot};
use tracing::Instrument as _;

use super::batch;
use super::present_rules::ItemKey;
use crate::principal::Principal;
use crate::state::IngestState;
use crate::waiting::{KeyInUse, KeysInUse, Place, Room};

/// Faults that are recorded in one transaction; one request alone may have as many.
const BATCH_FAULTS_MAX: usize = 1_000;

/// What a request comes to.
pub(super) type Answer = Result<Outcome, Problem>;

/// A request to classify.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) principal: Principal,
    /// Its key, if it has one.
    pub(super) scope: Option<IdempotencyScope>,
    pub(super) fingerprint: [u8; 32],
    pub(super) faults: Faults,
    /// Size of the body.
    pub(super) byte_count: usize,
}

/// What is to be classified.
#[derive(Debug)]
pub(super) enum Faults {
    /// One, which is the answer.
    One(ClassifyBody),
    /// A list, of which each has a result.
    Many(Vec<ClassifyBody>),
}

/// A request in the queue, with its client's place to wait. Dropped unanswered, it tells the client of a failure of ours.
#[derive(Debug)]
struct Queued {
    request: Arc<Request>,
    reply: oneshot::Sender<Answer>,
    _key: Option<KeyInUse>,
    _place: Place,
}

/// The way in.
#[derive(Debug)]
pub(crate) struct Queue {
    waiting: mpsc::Sender<Queued>,
    room: Room,
    keys_in_use: KeysInUse,
}

/// The other end of the queue, to be run.
#[derive(Debug)]
pub(crate) struct QueueEnd(mpsc::Receiver<Queued>);

impl Request {
    /// Which item a fault of it is of, and whose.
    pub(super) fn item(&self, fault: &ClassifyBody) -> ItemKey {
        (self.principal.organisation_id, fault.item_code.to_string())
    }

    /// What is said of where a fault of it was seen.
    pub(super) fn site(&self, fault: &ClassifyBody, at: OffsetDateTime) -> SiteKey {
        let organisation_id = self.principal.organisation_id;
        SiteKey {
            organisation_id,
            session_id: fault.session_id,
            asset_id: fault.asset_id,
            at,
            known_at: None,
        }
    }

    /// Is there a text in it of which the record may have the hash alone?
    pub(super) fn has_free_text(&self) -> bool {
        let contexts = self.faults.as_slice().iter().filter_map(|fault| fault.context.as_ref());
        contexts.into_iter().any(|Object(context)| has_free_text(context))
    }
}

impl Faults {
    /// All of them.
    pub(super) fn as_slice(&self) -> &[ClassifyBody] {
        match self {
            Self::One(fault) => std::slice::from_ref(fault),
            Self::Many(faults) => faults,
        }
    }
}

impl Queue {
    /// An empty queue.
    pub(crate) fn new(settings: &ClassifySettings) -> (Self, QueueEnd) {
        let (waiting, end) = mpsc::channel(settings.queue_requests_max);
        let room = Room::new(settings.queue_requests_max, settings.queue_bytes_max);
        (Self { waiting, room, keys_in_use: KeysInUse::default() }, QueueEnd(end))
    }

    /// Lines a request up; its answer comes after the commit.
    ///
    /// # Errors
    /// 409 while another request of this process works under the same key, 503 where the queue is full.
    pub(super) fn push(&self, request: Request) -> Result<oneshot::Receiver<Answer>, Problem> {
        let place = self.room.take(request.byte_count).ok_or_else(full)?;
        let claim = |scope| self.keys_in_use.claim(scope).ok_or_else(Problem::in_progress);
        let key = request.scope.as_ref().map(claim).transpose()?;
        let (reply, answer) = oneshot::channel();
        let queued = Queued { request: Arc::new(request), reply, _key: key, _place: place };
        self.waiting.try_send(queued).map_err(|_| full())?;
        Ok(answer)
    }

    /// Requests that wait or are worked on.
    pub(crate) fn len(&self) -> usize {
        self.room.len()
    }
}

impl QueueEnd {
    /// Works until the queue is gone.
    pub(crate) fn run(self, state: web::Data<IngestState>) {
        actix_web::rt::spawn(run(self.0, state));
    }
}

impl Queued {
    /// Tells the client. Its key is free before it hears of it.
    fn answer(self, answer: Answer) {
        let Self { reply, _key: key, _place: place, .. } = self;
        drop((key, place));
        // A client that has gone will ask again.
        drop(reply.send(answer));
    }
}

async fn run(mut waiting: mpsc::Receiver<Queued>, state: web::Data<IngestState>) {
    while let Some(first) = waiting.recv().await {
        let batch = fill(first, &mut waiting);
        let span = tracing::info_span!("classifications", requests = batch.len());
        // A task of its own: a panic must not take the queue with it.
        let settled = actix_web::rt::spawn(settle(batch, state.clone()).instrument(span));
        if let Err(error) = settled.await {
            tracing::error!(%error, "a batch of classifications broke down");
        }
    }
}

/// All that waits, up to the bound of a batch.
fn fill(first: Queued, waiting: &mut mpsc::Receiver<Queued>) -> Vec<Queued> {
    let mut faults = first.request.faults.as_slice().len();
    let mut batch = vec![first];
    while faults < BATCH_FAULTS_MAX
        && let Ok(next) = waiting.try_recv()
    {
        faults += next.request.faults.as_slice().len();
        batch.push(next);
    }
    batch
}

/// Answers every request. Where one of them may make the batch fail, each is tried once more by itself.
async fn settle(batch: Vec<Queued>, state: web::Data<IngestState>) {
    let requests: Vec<Arc<Request>> = batch.iter().map(|queued| Arc::clone(&queued.request)).collect();
    match batch::store(&state, &requests).await {
        Ok(answers) => {
            for (queued, answer) in batch.into_iter().zip(answers) {
                queued.answer(answer);
            }
        }
        Err(error @ StorageError::Unavailable(_)) => {
            let problem = Problem::from(error);
            for queued in batch {
                queued.answer(Err(problem.clone()));
            }
        }
        Err(_) => {
            for queued in batch {
                let alone = batch::store(&state, std::slice::from_ref(&queued.request)).await;
                let answer = alone.map_err(Problem::from).and_then(|mut answers| {
                    answers.pop().ok_or_else(|| Problem::internal("a batch has left a request out"))?
                });
                queued.answer(answer);
            }
        }
    }
}

fn full() -> Problem {
    Problem::unavailable("More faults arrive than can be classified right now. Try again.")
}
