//! The work on one session's documents: each request on top of those before it, all of them to be committed together.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use actix_web::http::StatusCode;
use firemode_domain::audit::{AuditEvent, AuditStatus};
use firemode_domain::document::{ChangeHash, Limits, Prepared, Refusal, SessionDocument, Standing};
use firemode_domain::session::{Intake, SessionStatus};
use firemode_identity::{ChangeStandings, ReceiptKeys, ReceiptSubject};
use firemode_runtime::process_id::ProcessId;
use firemode_storage::changes::{Arrival, NewChange, Origin, ReadUpTo, Reliance, StoredChange};
use firemode_storage::documents::{Extent, ServerActors, Submission, WarmSession};
use firemode_storage::session_summaries::NewSummary;
use firemode_storage::sessions::HeldSession;
use firemode_storage::{StorageError, Transaction};
use firemode_web::wire::ResultsAnswer;
use firemode_web::{Outcome, Problem};
use serde_json::json;
use time::OffsetDateTime;

use super::answer::{AnswerFilter, View};
use super::counts::ChangeCounts;
use super::entry_selection::EntrySelection;
use super::failure::Failure;
use super::queue::Request;
use super::refusal::problem_of;

/// Hashes that the audit log names for one request; it always says how many there are.
const AUDITED_HASHES_MAX: usize = 100;

/// What a batch has for one session.
pub(super) struct SessionBatch {
    pub(super) session: HeldSession,
    /// When what it brings counts as received.
    pub(super) received_at: OffsetDateTime,
    pub(super) documents: Box<WarmSession>,
    /// The actors to write with.
    pub(super) actors: ServerActors,
    /// Changes that other processes have added.
    pub(super) unseen: Vec<StoredChange>,
    /// With them the record is read up to here.
    pub(super) read_up_to: ReadUpTo,
    /// Hashes of late changes that are stored and stay off the record.
    pub(super) apart: Vec<Vec<u8>>,
    pub(super) work: Vec<RequestToMerge>,
    /// Changes that the answers take for stored, and those that the batch brings itself.
    pub(super) relied_on: BTreeSet<ChangeHash>,
    pub(super) brought: HashSet<ChangeHash>,
}

/// One request, or what is left of it.
pub(super) struct RequestToMerge {
    /// Its place in the batch.
    pub(super) place: usize,
    pub(super) request: Arc<Request>,
    pub(super) submission: Submission,
    pub(super) selection: EntrySelection,
}

/// What is the same for all of a batch.
pub(super) struct Context {
    pub(super) limits: Limits,
    pub(super) process_id: ProcessId,
    pub(super) receipt_keys: ReceiptKeys,
    /// Documents are to leave memory in as far as new work does not ask for them, unless they have so many changes that no copy has.
    pub(super) condenses: bool,
    pub(super) copy_changes_min: usize,
}

/// A session after its share of the batch: its documents are ahead of the database until the commit.
pub(super) struct Merged {
    pub(super) session: HeldSession,
    pub(super) documents: Box<WarmSession>,
    /// Changes that must be stored already.
    pub(super) relied_on: Vec<ChangeHash>,
    /// What the record is with what was added; none where nothing was.
    pub(super) summary: Option<NewSummary>,
    /// The session waited for its first result, and this is it.
    pub(super) is_activated: bool,
    /// By place in the batch. Nothing for a request that has to be looked into and stored later.
    pub(super) taken: Vec<(usize, Option<Result<RequestWrites, Problem>>)>,
}

/// What one request comes to.
pub(super) struct RequestWrites {
    pub(super) arrivals: Vec<Arrival>,
    pub(super) event: Option<AuditEvent>,
    pub(super) outcome: Outcome,
    pub(super) counts: ChangeCounts,
}

impl SessionBatch {
    fn is_late(&self) -> bool {
        self.session.status.intake() == Intake::Late
    }

    /// Loads what is not in memory, and for a completed session the document with late work.
    pub(super) async fn refresh(&mut self, tx: &Transaction, is_retry: bool) -> Result<(), StorageError> {
        let (organisation_id, session_id) = self.session.key();
        let lineage = self.read_up_to.lineage();
        let record = &mut self.documents.record;
        if record.read_up_to().is_none() {
            match is_retry {
                true => record.refresh_without_copy(tx, organisation_id, session_id).await?,
                false => {
                    record.refresh(tx, organisation_id, session_id, Extent::Record, Some(lineage)).await?;
                }
            }
        }
        if self.is_late() {
            let with_late = &mut self.documents.with_late;
            with_late.refresh(tx, organisation_id, session_id, Extent::WithLate, None).await?;
        } else {
            self.documents.forget_late();
        }
        Ok(())
    }

    /// Merges the requests in the order in which they came. One that is refused leaves nothing behind.
    pub(super) fn merge(mut self, context: &Context) -> Result<Merged, Failure> {
        let is_late = self.is_late();
        // Also with nothing new: from here on, not from where it was loaded, is read next time.
        self.documents.record.catch_up(std::mem::take(&mut self.unseen), self.read_up_to.clone())?;
        let were_near = self.documents.record.document().near_limits(&context.limits).len();
        let mut prepared = Vec::with_capacity(self.work.len());
        for work in std::mem::take(&mut self.work) {
            prepared.push((work.place, self.prepare(work, is_late, context)?));
        }
        // Each answer is about the document with all of them: that is what the commit stores.
        let view = View::of(self.documents.record.document(), &context.limits);
        view.note_limits(were_near, self.session.id);
        let mut is_activated = false;
        let mut taken = Vec::with_capacity(prepared.len());
        for (place, prepared) in prepared {
            let of_request = match prepared {
                RequestVerdict::Postponed => None,
                RequestVerdict::Refused(problem) => Some(Err(problem)),
                RequestVerdict::Accepted(accepted) => {
                    let is_first = !is_activated && self.session.status == SessionStatus::Pending;
                    let activates = is_first && !accepted.request.submission.entries.is_empty();
                    is_activated |= activates;
                    Some(Ok(self.answer(*accepted, &view, activates, context).map_err(Failure::Of)?))
                }
            };
            taken.push((place, of_request));
        }
        let summary = (!self.brought.is_empty()).then(|| self.summary());
        let Self { session, mut documents, relied_on, brought, .. } = self;
        if context.condenses {
            documents.condense_unless_due(context.copy_changes_min);
        }
        let relied_on = relied_on.into_iter().filter(|hash| !brought.contains(hash)).collect();
        Ok(Merged { session, documents, relied_on, summary, is_activated, taken })
    }

    /// What the record is now. Late work is not on it, and is known all the same.
    fn summary(&self) -> NewSummary {
        let (organisation_id, session_id) = self.session.key();
        let summary = self.documents.record.document().summary();
        NewSummary { organisation_id, session_id, summary, read_up_to: Some(self.read_up_to.clone()) }
    }

    fn prepare(
        &mut self,
        work: RequestToMerge,
        is_late: bool,
        context: &Context,
    ) -> Result<RequestVerdict, Failure> {
        let RequestToMerge { request, submission, selection, .. } = work;
        let (document, actors) = self.documents.for_work(is_late, submission.user_id, &self.actors);
        let prepared = match document.prepare(submission, &context.limits, &actors) {
            Ok(prepared) => prepared,
            Err(refusal) => {
                let problem = problem_of(&refusal, |index| selection.position_of(index));
                let is_behind = matches!(refusal, Refusal::UnusableDeviceActor { .. });
                return if is_behind {
                    Err(Failure::Behind(problem))
                } else {
                    Ok(RequestVerdict::Refused(problem))
                };
            }
        };
        if !prepared.strangers.is_empty() {
            let mut strangers = prepared.strangers.clone();
            strangers.iter_mut().for_each(|stranger| stranger.index = selection.position_of(stranger.index));
            if request.strangers.set(strangers).is_ok() {
                return Ok(RequestVerdict::Postponed);
            }
        }
        let rows = match rows(&prepared) {
            Ok(rows) => rows,
            Err(problem) => return Ok(RequestVerdict::Refused(problem)),
        };
        document.adopt(&prepared, self.received_at, &self.apart);
        self.relied_on.extend(&prepared.relied_on);
        self.brought.extend(prepared.changes.iter().map(|change| change.hash));
        let late_operations = selection.late;
        Ok(RequestVerdict::Accepted(Box::new(Accepted { request, prepared, rows, late_operations })))
    }

    fn answer(
        &self,
        accepted: Accepted,
        view: &View,
        activates: bool,
        context: &Context,
    ) -> Result<RequestWrites, Problem> {
        let Accepted { request, prepared, rows, late_operations } = accepted;
        let filter = AnswerFilter::of(&prepared, request.submission.seen.as_ref());
        let seen = filter.apply(self.documents.record.document(), view);
        let is_late = self.is_late();
        let apart = rows.iter().filter(|row| self.apart.contains(&row.hash)).count();
        let mut answer = if is_late {
            let held = filter.held(self.documents.with_late.document());
            seen.late_answer(self.session.id, &prepared, held, apart, late_operations)
        } else {
            seen.answer(self.session.id, &prepared, apart, late_operations)
        };
        if !request.submission.entries.is_empty() {
            let standings = standings(self.documents.record.document(), &prepared);
            answer.receipt = Some(context.receipt(&request, &prepared, standings, &answer)?);
        }
        let (organisation_id, session_id) = self.session.key();
        let user_id = request.principal.user_id;
        let origin = Origin { organisation_id, session_id, user_id, process_id: context.process_id };
        let event = (!rows.is_empty()).then(|| event(&request, &prepared, &answer, activates));
        let arrivals = rows.into_iter().map(|change| Arrival { origin, change, is_late }).collect();
        let counts = ChangeCounts::of(self.documents.record.document(), &prepared);
        Ok(RequestWrites { arrivals, event, outcome: Outcome::new(StatusCode::OK, &answer)?, counts })
    }
}

impl Merged {
    /// What its answers rely on.
    pub(super) fn reliance(&self) -> Reliance<'_> {
        let (organisation_id, session_id) = self.session.key();
        Reliance { organisation_id, session_id, hashes: &self.relied_on }
    }
}

impl Context {
    fn receipt(
        &self,
        request: &Request,
        prepared: &Prepared,
        standings: ChangeStandings,
        answer: &ResultsAnswer,
    ) -> Result<String, Problem> {
        let changes = prepared.changes.iter().map(|change| change.hash.to_string()).collect();
        let subject = ReceiptSubject::of_results(&request.fingerprint, changes, &answer.heads, standings);
        let receipt = self.receipt_keys.sign(request.session(), answer.processed_at, subject);
        receipt.map_err(Problem::internal)
    }
}

/// What became of the changes of a request. Those that are not on record are late.
fn standings(record: &SessionDocument, prepared: &Prepared) -> ChangeStandings {
    let mut standings = ChangeStandings::default();
    let mut held = Vec::new();
    let new = prepared.changes.iter().map(|change| change.hash);
    for hash in new.chain(prepared.repeated.iter().copied()) {
        let place = match record.standing_of(&hash) {
            Standing::Merged => &mut standings.accepted,
            Standing::Held => {
                held.extend(record.held_change(&hash));
                &mut standings.held
            }
            Standing::Quarantined => &mut standings.quarantined,
            Standing::Apart => &mut standings.late,
        };
        place.push(hash.to_string());
    }
    if !held.is_empty() {
        let waits_for: BTreeSet<&String> = held.iter().flat_map(|held| &held.waits_for).collect();
        let strange = held.iter().filter(|held| held.may_be_of_another_session);
        standings.may_be_of_another_session = strange.map(|held| held.hash.clone()).collect();
        standings.waits_for = waits_for.into_iter().cloned().collect();
    }
    standings
}

/// What is to become of a request.
enum RequestVerdict {
    /// It is stored.
    Accepted(Box<Accepted>),
    Refused(Problem),
    /// Some of its changes wait for what the session does not have. Before they are held, other sessions are looked into.
    Postponed,
}

/// A request whose changes the document has taken in.
struct Accepted {
    request: Arc<Request>,
    prepared: Prepared,
    rows: Vec<NewChange>,
    /// Operations of it that were stored as late before.
    late_operations: usize,
}

fn event(request: &Request, prepared: &Prepared, answer: &ResultsAnswer, is_activated: bool) -> AuditEvent {
    let hashes = prepared.changes.iter().map(|change| change.hash.to_string());
    let after = json!({
        "accepted": answer.accepted,
        "duplicates": answer.duplicates,
        "held": answer.held.len(),
        "late": answer.late,
        "change_count": prepared.changes.len(),
        "changes": hashes.take(AUDITED_HASHES_MAX).collect::<Vec<_>>(),
        "made_session_active": is_activated,
    });
    let resource = ("session", Some(request.session_id.to_string()));
    request.principal.event("results.accept", resource, AuditStatus::Success, after)
}

/// The rows of prepared changes. Ids of operations stand with their device's last change; they are unique by user and device.
fn rows(prepared: &Prepared) -> Result<Vec<NewChange>, Problem> {
    // A change that waits for its dependencies may claim any number; the database counts in 63 bits.
    if prepared.changes.iter().any(|change| i64::try_from(change.seq).is_err()) {
        return Err(Problem::invalid_field("changes", "the sequence number of a change is out of range"));
    }
    let row = |change| NewChange::of(change, Vec::new());
    let mut rows: Vec<NewChange> = prepared.changes.iter().map(row).collect();
    for id in &prepared.operation_ids {
        let of_device = |row: &&mut NewChange| row.device.as_ref() == Some(&id.device);
        if let Some(row) = rows.iter_mut().rev().find(of_device) {
            row.op_ids.push(id.op_id.clone());
        }
    }
    Ok(rows)
}
