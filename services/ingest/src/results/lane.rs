//! One lane of the queue: a batch is what has lined up while the one before was committed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use firemode_web::Problem;
use metrics::counter;
use tokio::sync::mpsc;
use tracing::{Instrument as _, Span};

use super::admission::estimate;
use super::batch;
use super::failure::Failure;
use super::queue::{Lanes, Queued, Request};
use crate::state::IngestState;

/// After a batch of this many requests more of them are under way, and waiting a little for those makes the next batch larger. A
/// batch costs the database nearly as much with few requests as with many.
const BUSY_BATCH_REQUESTS_MIN: usize = 4;

/// Requests that wait for what their sessions do not have are looked into and stored so many at a time: each means some thousand looks
/// into other sessions at most.
const POSTPONED_REQUESTS_MAX: usize = 8;

impl Lanes {
    /// Works until the queue is gone.
    pub(crate) fn run(self, state: &web::Data<IngestState>) {
        for end in self.0 {
            actix_web::rt::spawn(run(end, state.clone()));
        }
    }
}

/// What waits in a lane. A heavy request takes as long as many light ones, so those go first, in turn with the heavy ones.
struct Waiting {
    end: mpsc::Receiver<Queued>,
    heavy: VecDeque<Queued>,
    is_turn_of_heavy: bool,
    /// What merging a heavy request takes at least.
    heavy_bytes_min: usize,
}

impl Waiting {
    fn new(end: mpsc::Receiver<Queued>, heavy_bytes_min: usize) -> Self {
        Self { end, heavy: VecDeque::new(), is_turn_of_heavy: false, heavy_bytes_min }
    }

    /// The first request of the next batch; none once the queue is gone.
    async fn next(&mut self) -> Option<Queued> {
        let is_turn_of_heavy = std::mem::take(&mut self.is_turn_of_heavy);
        if is_turn_of_heavy && let Some(heavy) = self.heavy.pop_front() {
            return Some(heavy);
        }
        let light = self.next_light();
        self.is_turn_of_heavy = light.is_some();
        match light.or_else(|| self.heavy.pop_front()) {
            Some(next) => Some(next),
            None => self.end.recv().await,
        }
    }

    /// A light request, if one waits; heavy ones before it are set aside.
    fn next_light(&mut self) -> Option<Queued> {
        while let Ok(next) = self.end.try_recv() {
            if estimate(&next.request) < self.heavy_bytes_min {
                return Some(next);
            }
            self.heavy.push_back(next);
        }
        None
    }
}

/// Stores batches until the queue is gone.
async fn run(end: mpsc::Receiver<Queued>, state: web::Data<IngestState>) {
    let mut waiting = Waiting::new(end, state.merge_room.batch_bytes_max());
    let mut last_batch = 0;
    while let Some(first) = waiting.next().await {
        if last_batch >= BUSY_BATCH_REQUESTS_MIN {
            tokio::time::sleep(Duration::from_millis(state.settings.results.linger_milliseconds)).await;
        }
        let batch = fill(first, &mut waiting, &state);
        last_batch = batch.len();
        counter!("firemode_results_batches_total").increment(1);
        counter!("firemode_results_batched_requests_total").increment(batch.len() as u64);
        let span = span(&batch);
        let admitted = state.merge_room.admit(estimate_of(&batch)).await;
        // A task of its own: a panic must not take the lane with it.
        let settled = actix_web::rt::spawn(settle(batch, state.clone()).instrument(span));
        if let Err(error) = settled.await {
            tracing::error!(%error, "a batch of results broke down");
        }
        drop(admitted);
    }
}

/// All that waits, up to the bounds of a batch.
fn fill(first: Queued, waiting: &mut Waiting, state: &IngestState) -> Vec<Queued> {
    let settings = &state.settings.results;
    let mut byte_count = first.request.byte_count;
    let mut merge_bytes = estimate(&first.request);
    let mut batch = vec![first];
    while batch.len() < settings.batch_requests_max
        && byte_count < settings.batch_bytes_max
        && merge_bytes < state.merge_room.batch_bytes_max()
        && let Some(next) = waiting.next_light()
    {
        byte_count += next.request.byte_count;
        merge_bytes += estimate(&next.request);
        batch.push(next);
    }
    batch
}

fn estimate_of(batch: &[Queued]) -> usize {
    batch.iter().map(|queued| estimate(&queued.request)).sum()
}

/// The batch in the trace of its first request; the others' traces point to it.
fn span(batch: &[Queued]) -> Span {
    let parent = batch.first().map(|queued| queued.span.id());
    let span = tracing::info_span!(parent: parent.flatten(), "batch", requests = batch.len());
    for queued in batch.iter().skip(1) {
        span.follows_from(&queued.span);
    }
    span
}

/// Part of a batch that is stored, or refused, as one.
struct Part {
    queued: Vec<Queued>,
    /// The documents were not as what is stored when this was tried before.
    is_retry: bool,
}

/// Answers every request. Where one of them makes the batch fail, the batch is halved until that one stands alone.
async fn settle(batch: Vec<Queued>, state: web::Data<IngestState>) {
    let mut parts = vec![Part { queued: batch, is_retry: false }];
    while let Some(mut part) = parts.pop() {
        let requests: Vec<Arc<Request>> =
            part.queued.iter().map(|queued| Arc::clone(&queued.request)).collect();
        match batch::store(&state, &requests, part.is_retry).await {
            Ok(answers) => {
                let mut postponed = Vec::new();
                for (queued, answer) in part.queued.into_iter().zip(answers) {
                    match answer {
                        Some(answer) => queued.answer(answer),
                        None => postponed.push(queued),
                    }
                }
                while !postponed.is_empty() {
                    let few = postponed.split_off(postponed.len().saturating_sub(POSTPONED_REQUESTS_MAX));
                    parts.push(Part { queued: few, is_retry: false });
                }
            }
            Err(Failure::Of(_) | Failure::Behind(_)) if part.queued.len() > 1 => {
                let later = part.queued.split_off(part.queued.len() / 2);
                parts.push(Part { queued: later, is_retry: false });
                parts.push(Part { queued: part.queued, is_retry: false });
            }
            Err(Failure::Ahead(_)) if !part.is_retry => {
                tracing::warn!(
                    "the database has lost changes that it had committed: documents are read again"
                );
                state.documents.renew_actors();
                parts.push(Part { is_retry: true, ..part });
            }
            Err(Failure::Behind(_)) if !part.is_retry => parts.push(Part { is_retry: true, ..part }),
            Err(
                Failure::Of(problem)
                | Failure::Behind(problem)
                | Failure::Ahead(problem)
                | Failure::OfAll(problem),
            ) => {
                refuse(part.queued, &problem);
            }
        }
    }
}

fn refuse(queued: Vec<Queued>, problem: &Problem) {
    for queued in queued {
        queued.answer(Err(problem.clone()));
    }
}
