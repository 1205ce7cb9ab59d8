//! Many requests in one transaction: claim → lease → hold → merge → commit.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use firemode_domain::session::Intake;
use firemode_storage::changes::{Reliance, SessionTail};
use firemode_storage::documents::{Lease, Room, WarmSession};
use firemode_storage::idempotency::IdempotencyScope;
use firemode_storage::results::{self, BatchReads, BatchWrites};
use firemode_storage::session_summaries::NewSummary;
use firemode_storage::sessions::Hold;
use firemode_storage::{StorageError, Transaction};
use firemode_web::{Outcome, Problem, catalogue};
use uuid::Uuid;

use super::elsewhere;
use super::entry_selection::EntrySelection;
use super::failure::Failure;
use super::merge::{Context, Merged, RequestToMerge, SessionBatch};
use super::queue::{Answer, Request};
use crate::principal;
use crate::state::IngestState;

/// Once documents of so many bytes were read for one batch, sessions that would have to be read too are left to a batch behind it:
/// what is under way is not bounded by what may be kept.
const READ_BYTES_MAX: usize = 32 << 20;

/// Stores what the requests bring and answers each of them, or stores nothing. Those that are left unanswered are to be stored by
/// themselves: what they wait for has to be looked for first, or too much would have to be read at once. In any case its transactions have ended and hold no keys any more:
/// the one who is to try again, the client or we, may do so at once.
pub(super) async fn store(
    state: &IngestState,
    requests: &[Arc<Request>],
    is_retry: bool,
) -> Result<Vec<Option<Answer>>, Failure> {
    let mut hold = Hold::AgainstChange;
    loop {
        let mut batch = Batch { state, requests, is_retry, rooms: Vec::new(), answers: HashMap::new() };
        let tx = batch.begin().await?;
        let step = match batch.work_out(&tx, hold).await {
            Ok(Step::Save(leases, mut merged)) => {
                batch.save(tx, &mut merged).await?;
                batch.conclude(leases, merged);
                return Ok(batch.into_answers());
            }
            step => step,
        };
        tx.abandon().await;
        match step? {
            Step::HoldAlone => hold = Hold::Alone,
            Step::Nothing | Step::Save(..) => return Ok(batch.into_answers()),
        }
    }
}

/// What is to be done once all is known.
enum Step<'a> {
    /// To store what was merged.
    Save(Vec<Lease<'a>>, Vec<Merged>),
    /// To start over: a session waits for its first result, which is to make it active, so that it has to be held alone from the start.
    HoldAlone,
    /// No request is left.
    Nothing,
}

/// Requests that are stored together.
struct Batch<'a> {
    state: &'a IngestState,
    requests: &'a [Arc<Request>],
    /// This was tried before, and the documents were not as what is stored.
    is_retry: bool,
    /// Memory for the documents that it reads, until its end.
    rooms: Vec<Room<'a>>,
    /// By place among the requests; none for one that is postponed.
    answers: HashMap<usize, Option<Answer>>,
}

impl<'a> Batch<'a> {
    async fn begin(&self) -> Result<Transaction, Failure> {
        let organisations: BTreeSet<Uuid> =
            self.requests.iter().map(|request| request.principal.organisation_id).collect();
        Ok(self.state.database.tenants(organisations).transaction().await?)
    }

    /// All that comes before anything is stored.
    async fn work_out(&mut self, tx: &Transaction, hold: Hold) -> Result<Step<'a>, Failure> {
        self.claim(tx).await?;
        let leases = self.lease().await?;
        let Some(found) = self.hold(tx, &leases, hold).await? else { return Ok(Step::Nothing) };
        if hold == Hold::AgainstChange && found.held.is_any_pending() {
            return Ok(Step::HoldAlone);
        }
        for (place, problem) in elsewhere::refusals(tx, &self.unanswered_requests()).await? {
            self.answers.insert(place, Some(Err(problem)));
        }
        let (leases, shares) = self.load(tx, found, leases).await?;
        if shares.is_empty() {
            return Ok(Step::Nothing);
        }
        Ok(Step::Save(leases, self.merge(shares).await?))
    }

    /// Claims the keys, and looks at the access tokens once more.
    async fn claim(&mut self, tx: &Transaction) -> Result<(), Failure> {
        let scopes: Vec<&IdempotencyScope> = self.requests.iter().map(|request| &request.scope).collect();
        let tokens = self.requests.iter().map(|request| request.principal.token()).collect();
        let (claims, valid_tokens) = results::claim(tx, &scopes, tokens).await?;
        for ((place, request), claim) in self.requests.iter().enumerate().zip(claims) {
            let answer = if valid_tokens.contains(&request.principal.token()) {
                Outcome::of_claim(claim, &request.fingerprint).transpose()
            } else {
                Some(Err(principal::revoked()))
            };
            if answer.is_some() {
                self.answers.insert(place, answer);
            }
        }
        Ok(())
    }

    /// Takes the right to the documents of the sessions of the requests that are left, in one order, and before the sessions are held:
    /// so does everybody in this process who needs both.
    async fn lease(&self) -> Result<Vec<Lease<'a>>, Failure> {
        let sessions: BTreeSet<_> =
            self.unanswered_requests().into_iter().map(|(_, request)| request.session()).collect();
        let mut leases = Vec::with_capacity(sessions.len());
        for (organisation_id, session_id) in sessions {
            let lease = self.state.documents.lease(organisation_id, session_id).await;
            leases.push(lease.map_err(StorageError::from)?);
        }
        Ok(leases)
    }

    /// Waits for other processes that write for the same devices, holds these sessions against a change of their status, and finds what
    /// their documents do not have yet. Nothing where there is nothing to hold.
    async fn hold(
        &mut self,
        tx: &Transaction,
        leases: &[Lease<'a>],
        hold: Hold,
    ) -> Result<Option<BatchReads>, Failure> {
        let sessions: Vec<(Uuid, Uuid)> = leases.iter().map(Lease::session).collect();
        let tails: Vec<SessionTail> = leases.iter().filter_map(tail).collect();
        if sessions.is_empty() {
            return Ok(None);
        }
        let turns = self.unanswered_requests().into_iter().flat_map(|(_, request)| request.turns()).collect();
        let found = results::hold(tx, (&sessions, hold), &turns, &tails, self.state.process_id).await?;
        for (place, request) in self.unanswered_requests() {
            let session = found.as_ref().and_then(|found| found.held.sessions.get(&request.session()));
            let problem = match session.map(|session| session.status.intake()) {
                Some(Intake::Accept | Intake::Late) => continue,
                Some(Intake::Refuse) => {
                    Problem::of(catalogue::CANCELLED, "The session is cancelled and takes no more results.")
                }
                None => Problem::not_found("test session"),
            };
            self.answers.insert(place, Some(Err(problem)));
        }
        Ok(found)
    }

    /// Takes out the documents of the sessions for which there is work, and reads those that are not in memory.
    async fn load(
        &mut self,
        tx: &Transaction,
        mut found: BatchReads,
        leases: Vec<Lease<'a>>,
    ) -> Result<(Vec<Lease<'a>>, Vec<SessionBatch>), Failure> {
        let mut work = self.work(tx).await?;
        let (mut taken, mut shares) = (Vec::new(), Vec::new());
        let mut read_bytes = 0;
        let actors = self.state.documents.actors(found.held.read_up_to.lineage());
        // What is stored is not what it was taken for: another process may have used the numbers that come next.
        let actors = if self.is_retry { actors.renewed() } else { actors };
        for mut lease in leases {
            let key = lease.session();
            let (Some(session), Some(work)) = (found.held.sessions.get(&key), work.remove(&key)) else {
                continue;
            };
            let mut documents = lease.take();
            documents.enter(found.held.read_up_to.lineage());
            let is_more_there = found.unseen.get(&session.id).is_some_and(|unseen| !unseen.is_empty());
            let is_late = session.status.intake() == Intake::Late;
            if !documents.can_take(work.iter().map(|work| &work.submission), is_more_there || is_late) {
                *documents = WarmSession::default();
            }
            let is_cold = documents.record.read_up_to().is_none();
            if is_cold && read_bytes >= READ_BYTES_MAX {
                self.answers.extend(work.iter().map(|work| (work.place, None)));
                continue;
            }
            if is_cold && let Some(problem) = self.take_room(tx, key).await? {
                self.answers.extend(work.iter().map(|work| (work.place, Some(Err(problem.clone())))));
                continue;
            }
            let mut share = SessionBatch {
                session: *session,
                received_at: found.held.at,
                unseen: found.unseen.remove(&session.id).unwrap_or_default(),
                read_up_to: found.held.read_up_to.clone(),
                apart: found.apart.remove(&session.id).unwrap_or_default(),
                work,
                documents,
                actors: actors.clone(),
                relied_on: BTreeSet::new(),
                brought: HashSet::new(),
            };
            share.refresh(tx, self.is_retry).await?;
            if is_cold {
                read_bytes += share.documents.memory_bytes();
            }
            taken.push(lease);
            shares.push(share);
        }
        Ok((taken, shares))
    }

    /// Takes memory for a document that is to be read. The problem is that of its requests alone: there is none just now, or never.
    async fn take_room(&mut self, tx: &Transaction, key: (Uuid, Uuid)) -> Result<Option<Problem>, Failure> {
        match self.state.documents.room_to_load(tx, key).await {
            Ok(room) => self.rooms.push(room),
            Err(error @ (StorageError::NoRoom(_) | StorageError::TooLarge { .. })) => {
                return Ok(Some(error.into()));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(None)
    }

    /// What is to be merged, by session. An operation that was applied before and that the document does not know belongs to
    /// late work; that is so rare that it is looked into only after the database has refused the request.
    async fn work(&self, tx: &Transaction) -> Result<HashMap<(Uuid, Uuid), Vec<RequestToMerge>>, Failure> {
        let mut by_session: HashMap<_, Vec<RequestToMerge>> = HashMap::new();
        for (place, request) in self.unanswered_requests() {
            let (organisation_id, session_id) = request.session();
            let (submission, selection) = if self.is_retry {
                EntrySelection::without_late(tx, organisation_id, session_id, &request.submission).await?
            } else {
                EntrySelection::all(&request.submission)
            };
            let work = RequestToMerge { place, request: Arc::clone(request), submission, selection };
            by_session.entry(request.session()).or_default().push(work);
        }
        Ok(by_session)
    }

    /// Merges all of it on a thread for such work.
    async fn merge(&self, shares: Vec<SessionBatch>) -> Result<Vec<Merged>, Failure> {
        let context = Context {
            limits: self.state.limits.clone(),
            process_id: self.state.process_id,
            receipt_keys: self.state.receipt_keys.clone(),
            condenses: self.state.documents.is_to_condense(),
            copy_changes_min: self.state.settings.snapshots.changes_min,
        };
        let merging = move || shares.into_iter().map(|share| share.merge(&context)).collect();
        let merged = tokio::task::spawn_blocking(merging).await;
        merged.map_err(|error| Failure::Of(Problem::internal(format!("a session document: {error}"))))?
    }

    /// Stores what was merged, all but the documents and the answers that the clients get. Where that fails, whether it happened may
    /// be unknown, and the documents, which are ahead already, are dropped.
    async fn save(&self, tx: Transaction, merged: &mut [Merged]) -> Result<(), Failure> {
        let (mut arrivals, mut events, mut answers) = (Vec::new(), Vec::new(), Vec::new());
        let activated: Vec<(Uuid, Uuid)> =
            merged.iter().filter(|merged| merged.is_activated).map(|merged| merged.session.key()).collect();
        let mut visits = Vec::new();
        for (place, taken) in merged.iter_mut().flat_map(|merged| &mut merged.taken) {
            let (Some(request), Some(Ok(taken))) = (self.requests.get(*place), taken) else { continue };
            if !taken.arrivals.is_empty() {
                visits.push(request.visit());
            }
            arrivals.append(&mut taken.arrivals);
            events.extend(taken.event.take());
            answers.push((&request.scope, taken.outcome.stored(&request.fingerprint)));
        }
        if answers.is_empty() {
            tx.abandon().await;
            return Ok(());
        }
        let answer_days = self.state.settings.idempotency.days;
        let summaries: Vec<NewSummary> =
            merged.iter_mut().filter_map(|merged| merged.summary.take()).collect();
        let relied_on: Vec<Reliance> = merged.iter().map(Merged::reliance).collect();
        let visits = self.state.visits.unnoted(visits);
        let left = BatchWrites {
            activated: &activated,
            arrivals,
            summaries: &summaries,
            relied_on: &relied_on,
            visits: &visits,
            events: &events,
            answers: &answers,
            answer_days,
        };
        results::commit(tx, left).await?;
        self.state.visits.remember(&visits);
        Ok(())
    }

    /// Puts the documents back, which say what the database says, and keeps the answers.
    fn conclude(&mut self, leases: Vec<Lease<'a>>, merged: Vec<Merged>) {
        for (mut lease, merged) in leases.into_iter().zip(merged) {
            lease.put_back(merged.documents);
            for (place, taken) in merged.taken {
                if let Some(Ok(taken)) = &taken {
                    taken.counts.note();
                }
                self.answers.insert(place, taken.map(|taken| taken.map(|taken| taken.outcome)));
            }
        }
    }

    fn into_answers(mut self) -> Vec<Option<Answer>> {
        let unanswered = || Some(Err(Problem::internal("a batch has left a request out")));
        let places = 0..self.requests.len();
        places.map(|place| self.answers.remove(&place).unwrap_or_else(unanswered)).collect()
    }

    /// The requests that are left.
    fn unanswered_requests(&self) -> Vec<(usize, &'a Arc<Request>)> {
        let is_open = |(place, _): &(usize, _)| !self.answers.contains_key(place);
        self.requests.iter().enumerate().filter(is_open).collect()
    }
}

/// How far the documents of a session have been read, if they are in memory.
fn tail(lease: &Lease<'_>) -> Option<SessionTail> {
    let (organisation_id, session_id) = lease.session();
    Some(SessionTail { organisation_id, session_id, since: Some(lease.read_up_to()?.clone()) })
}
