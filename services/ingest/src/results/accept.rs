//! One request for results, in one transaction.

use actix_web::http::StatusCode;
use actix_web::web;
use firemode_domain::audit::AuditStatus;
use firemode_domain::document::{Prepared, Refusal};
use firemode_domain::session::{Intake, SessionStatus};
use firemode_storage::changes::{self, EQUIVOCATION, NewChange, OPERATION_APPLIED, Origin};
use firemode_storage::documents::{Extent, Submission, WarmSession};
use firemode_storage::idempotency::Scope;
use firemode_storage::sessions::{self, Hold};
use firemode_storage::{StorageError, Transaction, audit};
use firemode_web::shapes::ResultsAnswer;
use firemode_web::{Outcome, Problem, run_once};
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::answer::Interest;
use super::refusal::{equivocation, problem_of};
use super::remainder::Remainder;
use crate::caller::Caller;
use crate::state::State;

/// Hashes that the audit log names for one request; it always tells how many there are.
const AUDITED_HASHES_MAX: usize = 100;

/// A decoded request that asks to be accepted.
pub(super) struct Acceptance {
    pub(super) state: web::Data<State>,
    pub(super) caller: Caller,
    pub(super) session_id: Uuid,
    pub(super) scope: Option<Scope>,
    pub(super) fingerprint: [u8; 32],
    pub(super) submission: Submission,
}

/// How the documents in memory stand to the database if the transaction fails now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// They say what it says.
    True,
    /// They are ahead of it, or not: the commit may have happened.
    Unknown,
    /// Another process was first, and they do not know it yet. Read anew, the request may go through.
    Overtaken,
}

impl Acceptance {
    /// Takes the results, or none of them.
    pub(super) async fn run(&self) -> Result<Outcome, Problem> {
        let organisation_id = self.caller.organisation_id;
        let mut lease =
            self.state.documents.lease(organisation_id, self.session_id).await.map_err(|busy| {
                let detail = "Many requests bring results for this session at once. Try again.";
                Problem::unavailable(detail).caused_by(busy)
            })?;
        let days = self.state.settings.idempotency.days;
        let mut has_retried = false;
        loop {
            let mut documents = lease.take();
            let mut standing = Standing::True;
            let act = async |tx: &Transaction| self.act(tx, &mut documents, &mut standing, has_retried).await;
            let access = self.state.database.tenant(organisation_id);
            let result = run_once(access, self.scope.clone(), &self.fingerprint, days, act).await;
            if result.is_ok() || standing == Standing::True {
                lease.put_back(documents);
            } else if standing == Standing::Overtaken && !has_retried {
                has_retried = true;
                continue;
            }
            return result;
        }
    }

    async fn act(
        &self,
        tx: &Transaction,
        documents: &mut WarmSession,
        standing: &mut Standing,
        is_retry: bool,
    ) -> Result<Outcome, Problem> {
        let (is_late, is_activated) = self.hold_session(tx).await?;
        self.caller.check_token(tx).await?;
        self.refresh(tx, documents, is_late).await?;
        let (submission, remainder) = self.remainder(tx, is_retry && !is_late).await?;
        let document = if is_late { &mut documents.with_late } else { &mut documents.record };
        let prepared = document
            .prepare(submission, self.state.limits.clone())
            .await?
            .map_err(|refusal| refuse(&refusal, &remainder, standing))?;
        let hashes: Vec<Vec<u8>> = prepared.changes.iter().map(|change| change.hash.0.to_vec()).collect();
        let received_at = self.store(tx, &prepared, standing).await?;
        let interest = Interest::of(&prepared, self.submission.seen.as_ref());
        let answer = if is_late {
            changes::mark_late(tx, self.caller.organisation_id, self.session_id, &hashes).await?;
            *standing = Standing::Unknown;
            documents.with_late.adopt(&prepared, received_at, &[], |_| ()).await?;
            let seen = documents.record.look(move |document| interest.look(document)).await?;
            seen.late_answer(self.session_id, &prepared)
        } else {
            let apart = changes::apart(tx, self.caller.organisation_id, self.session_id, &hashes).await?;
            *standing = Standing::Unknown;
            let look = move |document: &_| interest.look(document);
            let seen = documents.record.adopt(&prepared, received_at, &apart, look).await?;
            seen.answer(self.session_id, &prepared, apart.len(), remainder.late)
        };
        if !prepared.changes.is_empty() {
            self.record(tx, &prepared, &answer, is_activated).await?;
        }
        Outcome::new(StatusCode::OK, &answer)
    }

    /// Holds the session against a change of its status. Says whether what comes now is late, and whether it made the
    /// session active.
    async fn hold_session(&self, tx: &Transaction) -> Result<(bool, bool), Problem> {
        let find = async |hold| {
            let session = sessions::find(tx, self.caller.organisation_id, self.session_id, hold).await?;
            session.ok_or_else(|| Problem::not_found("test session"))
        };
        let is_pending = find(Hold::None).await?.status == SessionStatus::Pending;
        // The row is changed before it is held: two transactions that both hold it cannot both go on to change it.
        let is_activated = is_pending
            && !self.submission.entries.is_empty()
            && sessions::activate(tx, self.caller.organisation_id, self.session_id).await?;
        match find(Hold::AgainstChange).await?.status.intake() {
            Intake::Accept => Ok((false, is_activated)),
            Intake::Late => Ok((true, is_activated)),
            Intake::Refuse => Err(Problem::conflict("The session is cancelled and takes no more results.")),
        }
    }

    /// Brings the documents up to date with what is committed.
    async fn refresh(
        &self,
        tx: &Transaction,
        documents: &mut WarmSession,
        is_late: bool,
    ) -> Result<(), Problem> {
        let (organisation_id, session_id) = (self.caller.organisation_id, self.session_id);
        documents.record.refresh(tx, organisation_id, session_id, Extent::Record).await?;
        if is_late {
            documents.with_late.refresh(tx, organisation_id, session_id, Extent::WithLate).await?;
        } else {
            documents.with_late = Default::default();
        }
        Ok(())
    }

    /// What is to be merged. An operation that was applied before and that the refreshed document does not know belongs to
    /// late work; that is so rare that it is looked into only after the database has refused the request.
    async fn remainder(
        &self,
        tx: &Transaction,
        is_refused: bool,
    ) -> Result<(Submission, Remainder), Problem> {
        if !is_refused {
            return Ok(Remainder::all(&self.submission));
        }
        let (organisation_id, session_id) = (self.caller.organisation_id, self.session_id);
        Ok(Remainder::without_late(tx, organisation_id, session_id, &self.submission).await?)
    }

    async fn store(
        &self,
        tx: &Transaction,
        prepared: &Prepared,
        standing: &mut Standing,
    ) -> Result<OffsetDateTime, Problem> {
        if prepared.changes.is_empty() {
            return Ok(OffsetDateTime::now_utc());
        }
        let origin = Origin {
            organisation_id: self.caller.organisation_id,
            session_id: self.session_id,
            user_id: self.caller.user_id,
            instance_id: self.state.instance_id,
        };
        changes::insert(tx, &origin, &rows(prepared)?).await.map_err(|error| match error.constraint() {
            Some(EQUIVOCATION) => {
                *standing = Standing::Overtaken;
                equivocation("A different change with the same actor and sequence number is stored already.")
            }
            Some(OPERATION_APPLIED) => {
                *standing = Standing::Overtaken;
                Problem::unavailable("The same operation arrived twice at once. Try again.").caused_by(error)
            }
            _ => error.into(),
        })
    }

    async fn record(
        &self,
        tx: &Transaction,
        prepared: &Prepared,
        answer: &ResultsAnswer,
        is_activated: bool,
    ) -> Result<(), StorageError> {
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
        let resource = ("session", Some(self.session_id.to_string()));
        let event = self.caller.event("results.accept", resource, AuditStatus::Success, after);
        audit::record(tx, &[event]).await
    }
}

fn refuse(refusal: &Refusal, remainder: &Remainder, standing: &mut Standing) -> Problem {
    if matches!(refusal, Refusal::UnusableDeviceActor { .. }) {
        *standing = Standing::Overtaken;
    }
    problem_of(refusal, |index| remainder.position_of(index))
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
