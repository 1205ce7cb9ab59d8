//! Many requests in one transaction: claim → hold → merge → store → commit.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use firemode_domain::session::{Intake, SessionStatus};
use firemode_storage::changes::{self, EQUIVOCATION, OPERATION_APPLIED, SessionTail};
use firemode_storage::documents::Lease;
use firemode_storage::idempotency::{self, Scope};
use firemode_storage::sessions::{self, Held, HeldSession};
use firemode_storage::{StorageError, Transaction, audit, revocations};
use firemode_web::{Outcome, Problem};
use time::OffsetDateTime;
use tokio::{join, try_join};
use uuid::Uuid;

use super::merge::{Context, Merged, Share, Work};
use super::queue::{Answer, Request};
use super::refusal::equivocation;
use super::remainder::Remainder;
use crate::caller;
use crate::state::State;

/// Nothing of a batch was stored, as far as anybody knows.
#[derive(Debug)]
pub(super) enum Failure {
    /// It is not the requests' fault, or the commit may have happened: none of them is tried again here.
    OfAll(Problem),
    /// One of the requests may be at fault.
    Of(Problem),
    /// The same, and the documents were behind what is stored. Read anew, the request may go through.
    Behind(Problem),
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        match error.constraint() {
            Some(EQUIVOCATION) => {
                let detail = "A different change with the same actor and sequence number is stored already.";
                Self::Behind(equivocation(detail))
            }
            Some(OPERATION_APPLIED) => {
                let detail = "The same operation arrived twice at once. Try again.";
                Self::Behind(Problem::unavailable(detail).caused_by(error))
            }
            _ if matches!(error, StorageError::Unavailable(_)) => Self::OfAll(error.into()),
            _ => Self::Of(error.into()),
        }
    }
}

/// Stores what the requests bring and answers each of them, or stores nothing.
pub(super) async fn store(
    state: &State,
    requests: &[Arc<Request>],
    is_retry: bool,
) -> Result<Vec<Answer>, Failure> {
    let organisations: BTreeSet<Uuid> =
        requests.iter().map(|request| request.caller.organisation_id).collect();
    let tx = state.database.tenants(organisations).transaction().await?;
    let mut batch = Batch { state, requests, is_retry, answers: HashMap::new() };
    let is_any_pending = batch.claim(&tx).await?;
    if let Some(held) = batch.hold(&tx, is_any_pending).await? {
        let leases = batch.lease(&held).await?;
        let (leases, shares) = batch.load(&tx, &held, leases).await?;
        let mut merged = batch.merge(shares, held.at).await?;
        if batch.save(&tx, &mut merged).await? {
            // Whether it happened is unknown if this fails, and the documents, which are ahead already, are dropped.
            tx.commit().await.map_err(|error| Failure::OfAll(error.into()))?;
        }
        batch.conclude(leases, merged);
    }
    Ok(batch.into_answers())
}

/// Requests that are stored together.
struct Batch<'a> {
    state: &'a State,
    requests: &'a [Arc<Request>],
    /// This was tried before and the documents were behind.
    is_retry: bool,
    /// By place among the requests.
    answers: HashMap<usize, Answer>,
}

impl<'a> Batch<'a> {
    /// Claims the keys and looks at the access tokens once more. Says whether a session waits for its first result.
    async fn claim(&mut self, tx: &Transaction) -> Result<bool, Failure> {
        let scopes: Vec<&Scope> = self.requests.iter().map(|request| &request.scope).collect();
        let tokens = self.requests.iter().map(|request| request.caller.token());
        let sessions = self.sessions();
        let (claims, valid, is_any_pending) = try_join!(
            idempotency::claim_all(tx, &scopes),
            revocations::valid_of(tx, tokens),
            sessions::are_any_pending(tx, &sessions),
        )?;
        for ((place, request), claim) in self.requests.iter().enumerate().zip(claims) {
            let answer = if valid.contains(&request.caller.token()) {
                Outcome::of_claim(claim, &request.fingerprint).transpose()
            } else {
                Some(Err(caller::revoked()))
            };
            if let Some(answer) = answer {
                self.answers.insert(place, answer);
            }
        }
        Ok(is_any_pending)
    }

    /// Holds the sessions of the requests that are left against a change of their status.
    async fn hold(&mut self, tx: &Transaction, is_any_pending: bool) -> Result<Option<Held>, Failure> {
        let sessions = self.sessions();
        if sessions.is_empty() {
            return Ok(None);
        }
        let held = sessions::hold_all(tx, &sessions, is_any_pending).await?;
        let statuses: HashMap<_, _> =
            held.iter().flat_map(|held| &held.sessions).map(|held| (held.key(), held.status)).collect();
        if !is_any_pending && statuses.values().any(|status| *status == SessionStatus::Pending) {
            let detail = "The session was made this very moment. Try again.";
            return Err(Failure::Behind(Problem::unavailable(detail)));
        }
        for (place, request) in self.open() {
            let problem = match statuses.get(&request.session()).map(|status| status.intake()) {
                Some(Intake::Accept | Intake::Late) => continue,
                Some(Intake::Refuse) => {
                    Problem::conflict("The session is cancelled and takes no more results.")
                }
                None => Problem::not_found("test session"),
            };
            self.answers.insert(place, Err(problem));
        }
        Ok(held)
    }

    /// Takes the right to the documents of all sessions that take results.
    async fn lease(&self, held: &Held) -> Result<Vec<(HeldSession, Lease<'a>)>, Failure> {
        let mut leases = Vec::new();
        for session in held.sessions.iter().filter(|session| session.status.intake() != Intake::Refuse) {
            let lease = self.state.documents.lease(session.organisation_id, session.id).await;
            leases.push((*session, lease.map_err(StorageError::from)?));
        }
        Ok(leases)
    }

    /// Takes the documents out and reads what they do not have yet.
    async fn load(
        &self,
        tx: &Transaction,
        held: &Held,
        leases: Vec<(HeldSession, Lease<'a>)>,
    ) -> Result<(Vec<Lease<'a>>, Vec<Share>), Failure> {
        let tail = |(session, lease): &(HeldSession, Lease<'_>)| {
            let since = Some(lease.read_up_to()?.clone());
            Some(SessionTail { organisation_id: session.organisation_id, session_id: session.id, since })
        };
        let tails: Vec<SessionTail> = leases.iter().filter_map(tail).collect();
        let sessions: Vec<(Uuid, Uuid)> = leases.iter().map(|(session, _)| session.key()).collect();
        let (mut unseen, mut apart) = try_join!(
            changes::read_tails(tx, &tails, Some(self.state.instance_id)),
            changes::apart(tx, &sessions),
        )?;
        let mut work = self.work(tx).await?;
        let (mut taken, mut shares) = (Vec::new(), Vec::new());
        for (session, mut lease) in leases {
            let mut share = Share {
                session,
                unseen: unseen.remove(&session.id).unwrap_or_default(),
                read_up_to: held.read_up_to.clone(),
                apart: apart.remove(&session.id).unwrap_or_default(),
                work: work.remove(&session.key()).unwrap_or_default(),
                documents: lease.take(),
            };
            share.refresh(tx).await?;
            taken.push(lease);
            shares.push(share);
        }
        Ok((taken, shares))
    }

    /// What is to be merged, by session. An operation that was applied before and that the document does not know belongs to
    /// late work; that is so rare that it is looked into only after the database has refused the request.
    async fn work(&self, tx: &Transaction) -> Result<HashMap<(Uuid, Uuid), Vec<Work>>, Failure> {
        let mut by_session: HashMap<_, Vec<Work>> = HashMap::new();
        for (place, request) in self.open() {
            let (organisation_id, session_id) = request.session();
            let (submission, remainder) = if self.is_retry {
                Remainder::without_late(tx, organisation_id, session_id, &request.submission).await?
            } else {
                Remainder::all(&request.submission)
            };
            let work = Work { place, request: Arc::clone(request), submission, remainder };
            by_session.entry(request.session()).or_default().push(work);
        }
        Ok(by_session)
    }

    /// Merges all of it on a thread for such work.
    async fn merge(&self, shares: Vec<Share>, received_at: OffsetDateTime) -> Result<Vec<Merged>, Failure> {
        let context = Context {
            received_at,
            limits: self.state.limits.clone(),
            instance_id: self.state.instance_id,
            receipt_keys: self.state.receipt_keys.clone(),
        };
        let merging = move || shares.into_iter().map(|share| share.merge(&context)).collect();
        let merged = tokio::task::spawn_blocking(merging).await;
        merged.map_err(|error| Failure::Of(Problem::internal(format!("a session document: {error}"))))?
    }

    /// Stores what was merged, all but the documents and the answers that the clients get, and says whether there was anything.
    async fn save(&self, tx: &Transaction, merged: &mut [Merged]) -> Result<bool, Failure> {
        let (mut arrivals, mut events, mut answers) = (Vec::new(), Vec::new(), Vec::new());
        let activated: Vec<(Uuid, Uuid)> =
            merged.iter().filter(|merged| merged.is_activated).map(|merged| merged.session.key()).collect();
        for (place, taken) in merged.iter_mut().flat_map(|merged| &mut merged.taken) {
            let (Some(request), Ok(taken)) = (self.requests.get(*place), taken) else { continue };
            arrivals.append(&mut taken.arrivals);
            events.extend(taken.event.take());
            answers.push((&request.scope, taken.outcome.stored(&request.fingerprint)));
        }
        let changes = async {
            sessions::activate_all(tx, &activated).await?;
            changes::insert_all(tx, arrivals).await
        };
        let days = self.state.settings.idempotency.days;
        let (changes, events, stored) =
            join!(changes, audit::record(tx, &events), idempotency::store(tx, &answers, days));
        // Once one of them has failed the others fail too, and say no more than that. Only changes can contradict what is stored.
        changes.and(events).and(stored)?;
        Ok(!answers.is_empty())
    }

    /// Puts the documents back, which say what the database says, and keeps the answers.
    fn conclude(&mut self, leases: Vec<Lease<'a>>, merged: Vec<Merged>) {
        for (mut lease, merged) in leases.into_iter().zip(merged) {
            lease.put_back(merged.documents);
            for (place, taken) in merged.taken {
                self.answers.insert(place, taken.map(|taken| taken.outcome));
            }
        }
    }

    fn into_answers(mut self) -> Vec<Answer> {
        let unanswered = || Err(Problem::internal("a batch has left a request out"));
        let places = 0..self.requests.len();
        places.map(|place| self.answers.remove(&place).unwrap_or_else(unanswered)).collect()
    }

    /// The requests that are left.
    fn open(&self) -> Vec<(usize, &'a Arc<Request>)> {
        let is_open = |(place, _): &(usize, _)| !self.answers.contains_key(place);
        self.requests.iter().enumerate().filter(is_open).collect()
    }

    /// Their sessions, each with its organisation.
    fn sessions(&self) -> Vec<(Uuid, Uuid)> {
        let sessions: BTreeSet<_> = self.open().into_iter().map(|(_, request)| request.session()).collect();
        sessions.into_iter().collect()
    }
}
