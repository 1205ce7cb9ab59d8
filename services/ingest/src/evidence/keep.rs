//! From received bytes to a piece of evidence, in one transaction.

use actix_web::http::StatusCode;
use data_encoding::HEXLOWER;
use firemode_domain::audit::AuditStatus;
use firemode_storage::evidence::{self, Evidence, ID_TAKEN, NewEvidence};
use firemode_storage::evidence_store::StoredBytes;
use firemode_storage::idempotency::Scope;
use firemode_storage::sessions::Hold;
use firemode_storage::{StorageError, Transaction, audit};
use firemode_web::shapes::{EvidenceAnswer, EvidenceFields};
use firemode_web::{Outcome, Problem, run_once};
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::incoming::{claim, discard, remove};
use super::{Received, check_session};
use crate::caller::Caller;
use crate::state::State;

/// Keeps evidence: its bytes are durable before anything refers to them, and removed again where nothing ever will.
pub(super) async fn keep(
    state: &State,
    caller: &Caller,
    scope: Option<Scope>,
    received: Received,
) -> Result<Outcome, Problem> {
    let Received { fields, upload, content_type, fingerprint } = received;
    if let Err(problem) = check(state, caller, &fields, &upload.sha256(), upload.size_bytes()).await {
        discard(state, caller.organisation_id, upload).await;
        return Err(problem);
    }
    let bytes = upload.complete().await?;
    let keeping = Keeping { state, caller, fields: &fields, bytes: &bytes, content_type };
    keeping.commit(scope, &fingerprint, async |_, _| Ok(())).await
}

/// Checks that need no transaction, before the bytes are made durable.
pub(crate) async fn check(
    state: &State,
    caller: &Caller,
    fields: &EvidenceFields,
    sha256: &[u8; 32],
    size_bytes: u64,
) -> Result<(), Problem> {
    if size_bytes == 0 {
        return Err(Problem::invalid_field("file", "is empty"));
    }
    let found = HEXLOWER.encode(sha256);
    if !found.eq_ignore_ascii_case(&fields.sha256_hash) {
        let detail = format!("The bytes that arrived have the hash {found}, not the one in sha256_hash.");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail).reason("HASH-MISMATCH"));
    }
    let tx = state.database.tenant(caller.organisation_id).read().await?;
    check_session(&tx, caller.organisation_id, fields.session_id, Hold::None).await
}

/// Evidence whose bytes are durable.
pub(crate) struct Keeping<'a> {
    pub(crate) state: &'a State,
    pub(crate) caller: &'a Caller,
    pub(crate) fields: &'a EvidenceFields,
    pub(crate) bytes: &'a StoredBytes,
    pub(crate) content_type: &'static str,
}

impl Keeping<'_> {
    /// Makes the rows in one transaction, together with what else belongs to it.
    pub(crate) async fn commit<A>(
        &self,
        scope: Option<Scope>,
        fingerprint: &[u8],
        and: A,
    ) -> Result<Outcome, Problem>
    where
        A: AsyncFnOnce(&Transaction, &EvidenceAnswer) -> Result<(), Problem>,
    {
        let mut kept_under = None;
        let days = self.state.settings.idempotency.days;
        let result = run_once(
            self.state.database.tenant(self.caller.organisation_id),
            scope,
            fingerprint,
            days,
            async |tx| {
                let (answer, storage_key) = self.record(tx).await?;
                and(tx, &answer).await?;
                kept_under = Some(storage_key);
                Outcome::new(StatusCode::CREATED, &answer)
            },
        )
        .await;
        // Known to be unreferenced: the same bytes are kept under another key, the answer is a repeated one, or the transaction
        // ended before its commit. After a commit of unknown outcome the bytes stay, and their lease tells the sweeper.
        if kept_under.as_ref() != Some(&self.bytes.key) {
            remove(self.state, self.caller.organisation_id, std::slice::from_ref(&self.bytes.key)).await;
        }
        result
    }

    /// Makes the rows, and says under which key the bytes are kept.
    async fn record(&self, tx: &Transaction) -> Result<(EvidenceAnswer, String), Problem> {
        let organisation_id = self.caller.organisation_id;
        check_session(tx, organisation_id, self.fields.session_id, Hold::AgainstChange).await?;
        self.caller.check_token(tx).await?;
        let StoredBytes { key, sha256, size_bytes } = self.bytes;
        let size_bytes = i64::try_from(*size_bytes).map_err(Problem::internal)?;
        // First of all: uploads of the same bytes wait for each other here, so that the second one finds what the first made.
        let storage_key = evidence::insert_blob(tx, organisation_id, sha256, size_bytes, key).await?;
        if storage_key == *key {
            claim(tx, organisation_id, key).await?;
        }
        if let Some(evidence_id) = self.fields.evidence_id
            && let Some(known) = evidence::find(tx, organisation_id, evidence_id).await?
        {
            return Ok((self.known(known)?, storage_key));
        }
        let id = self.fields.evidence_id.unwrap_or_else(Uuid::now_v7);
        let created_at = self.insert(tx, id).await?;
        let answer = self.answer(id, self.content_type.to_owned(), "verified".to_owned(), created_at)?;
        self.audit(tx, &answer).await?;
        Ok((answer, storage_key))
    }

    /// The answer where the device's id is in use: the same again for the same evidence.
    fn known(&self, known: Evidence) -> Result<EvidenceAnswer, Problem> {
        if known.sha256 != self.bytes.sha256 || known.session_id != self.fields.session_id {
            return Err(id_taken());
        }
        self.answer(known.id, known.content_type, known.status, known.created_at)
    }

    fn answer(
        &self,
        evidence_id: Uuid,
        content_type: String,
        status: String,
        created_at: OffsetDateTime,
    ) -> Result<EvidenceAnswer, Problem> {
        let (hash, size) = (HEXLOWER.encode(&self.bytes.sha256), self.bytes.size_bytes);
        let of = (self.caller.organisation_id, self.fields.session_id);
        let receipt = self.state.receipt_keys.evidence(of, evidence_id, (&hash, size), created_at);
        let receipt = receipt.map_err(Problem::internal)?;
        Ok(EvidenceAnswer { evidence_id, hash, size, content_type, status, receipt })
    }

    async fn insert(&self, tx: &Transaction, id: Uuid) -> Result<OffsetDateTime, Problem> {
        let metadata = Value::Object(self.fields.metadata.clone().unwrap_or_default());
        let evidence = NewEvidence {
            id,
            session_id: self.fields.session_id,
            item_id: self.fields.item_id.as_deref(),
            evidence_type: self.fields.evidence_type.as_str(),
            sha256: &self.bytes.sha256,
            content_type: self.content_type,
            metadata: &metadata,
            uploaded_by: self.caller.user_id,
        };
        let inserted = evidence::insert(tx, self.caller.organisation_id, &evidence).await;
        inserted.map_err(|error| match error.constraint() {
            Some(ID_TAKEN) => id_taken(),
            _ => error.into(),
        })
    }

    async fn audit(&self, tx: &Transaction, answer: &EvidenceAnswer) -> Result<(), StorageError> {
        let after = json!({
            "session_id": self.fields.session_id,
            "evidence_type": self.fields.evidence_type,
            "sha256": answer.hash,
            "size_bytes": answer.size,
            "content_type": answer.content_type,
        });
        let resource = ("evidence", Some(answer.evidence_id.to_string()));
        let event = self.caller.event("evidence.upload", resource, AuditStatus::Success, after);
        audit::record(tx, &[event]).await
    }
}

fn id_taken() -> Problem {
    Problem::conflict("The evidence_id is in use for other content.")
}
