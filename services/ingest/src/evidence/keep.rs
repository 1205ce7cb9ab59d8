//! From received bytes to a piece of evidence, in one transaction.

use actix_web::http::StatusCode;
use data_encoding::HEXLOWER;
use firemode_domain::audit::AuditStatus;
use firemode_domain::input::ItemId;
use firemode_domain::media_type::MediaType;
use firemode_identity::ReceiptSubject;
use firemode_storage::evidence::{self, Evidence, NewEvidence};
use firemode_storage::evidence_store::StoredBytes;
use firemode_storage::idempotency::IdempotencyScope;
use firemode_storage::sessions::Hold;
use firemode_storage::{StorageError, Transaction, audit};
use firemode_web::wire::{EvidenceAnswer, EvidenceFields};
use firemode_web::{Outcome, Problem, catalogue};
use metrics::{counter, describe_counter};
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::incoming::{claim, discard, remove};
use super::{Received, again, check_session};
use crate::principal::Principal;
use crate::state::IngestState;

const BYTES: &str = "firemode_evidence_bytes_total";

/// Says what the figure of this file is, and has it from the beginning.
pub(crate) fn describe() {
    describe_counter!(BYTES, "Bytes of evidence that were added to the store.");
    counter!(BYTES).increment(0);
}

/// Keeps evidence: its bytes are durable before anything refers to them, and removed again where nothing ever will.
pub(super) async fn keep(
    state: &IngestState,
    principal: &Principal,
    scope: Option<IdempotencyScope>,
    received: Received,
) -> Result<Outcome, Problem> {
    let Received { fields, file_name, upload, content_type, fingerprint } = received;
    if let Err(problem) = check(state, principal, &fields, &upload.sha256(), upload.size_bytes()).await {
        discard(state, principal.organisation_id, upload).await;
        return Err(problem);
    }
    let bytes = upload.complete().await?;
    let file_name = file_name.as_deref();
    let keeping = Keeping { state, principal, fields: &fields, file_name, bytes: &bytes, content_type };
    keeping.commit(scope, &fingerprint, async |_, status, answer| Outcome::new(status, answer)).await
}

/// Checks that need no transaction, before the bytes are made durable.
pub(crate) async fn check(
    state: &IngestState,
    principal: &Principal,
    fields: &EvidenceFields,
    sha256: &[u8; 32],
    size_bytes: u64,
) -> Result<(), Problem> {
    if size_bytes == 0 {
        return Err(Problem::invalid_field("file", "is empty"));
    }
    let found = HEXLOWER.encode(sha256);
    if !fields.sha256_hash.is(&found) {
        let detail = format!("The bytes that arrived have the hash {found}, not the one in sha256_hash.");
        return Err(Problem::of(catalogue::HASH_MISMATCH, detail));
    }
    let tx = state.database.tenant(principal.organisation_id).read().await?;
    again::check(&tx, principal.organisation_id, fields).await
}

/// Evidence whose bytes are durable.
pub(crate) struct Keeping<'a> {
    pub(crate) state: &'a IngestState,
    pub(crate) principal: &'a Principal,
    pub(crate) fields: &'a EvidenceFields,
    /// What the device calls the file, where it says so beside the fields.
    pub(crate) file_name: Option<&'a str>,
    pub(crate) bytes: &'a StoredBytes,
    pub(crate) content_type: MediaType,
}

/// What the rows say.
struct Recorded {
    /// 201 for new evidence, 200 for what was there.
    status: StatusCode,
    answer: EvidenceAnswer,
    /// Where the bytes are kept.
    storage_key: String,
}

impl Keeping<'_> {
    /// Makes the rows in one transaction, together with what else belongs to it, which gives the answer.
    pub(crate) async fn commit<A>(
        &self,
        scope: Option<IdempotencyScope>,
        fingerprint: &[u8],
        mut and: A,
    ) -> Result<Outcome, Problem>
    where
        A: AsyncFnMut(&Transaction, StatusCode, &EvidenceAnswer) -> Result<Outcome, Problem>,
    {
        let mut kept_under = None;
        let result = self
            .state
            .run_once(self.principal, scope, fingerprint, async |tx| {
                kept_under = None;
                let Recorded { status, answer, storage_key } = self.record(tx).await?;
                let outcome = and(tx, status, &answer).await?;
                kept_under = Some(storage_key);
                Ok(outcome)
            })
            .await;
        // Known to be unreferenced: the same bytes are kept under another key, the answer is a repeated one, or the transaction
        // ended before its commit. After a commit of unknown outcome the bytes stay, and the sweeper finds them by their lease.
        if kept_under.as_ref() != Some(&self.bytes.key) {
            remove(self.state, self.principal.organisation_id, std::slice::from_ref(&self.bytes.key)).await;
        } else if result.is_ok() {
            counter!(BYTES).increment(self.bytes.size_bytes);
        }
        result
    }

    /// Makes the rows, unless they are there.
    async fn record(&self, tx: &Transaction) -> Result<Recorded, Problem> {
        let organisation_id = self.principal.organisation_id;
        self.principal.check_token(tx).await?;
        let StoredBytes { key, sha256, size_bytes } = self.bytes;
        let size_bytes = i64::try_from(*size_bytes).map_err(Problem::internal)?;
        // First of all: uploads of the same bytes wait for each other here, so that the second one finds what the first made.
        let (storage_key, made_at) =
            evidence::insert_blob(tx, organisation_id, sha256, size_bytes, key).await?;
        if storage_key == *key {
            claim(tx, organisation_id, key).await?;
        }
        if let Some(known) = again::find(tx, organisation_id, self.fields).await? {
            return self.known(tx, known, storage_key).await;
        }
        check_session(tx, organisation_id, self.fields.session_id, Hold::AgainstChange).await?;
        let answer = self.new_answer(made_at)?;
        if !self.insert(tx, &answer).await? {
            // Another content under the same id was faster, and has committed by now.
            let known = again::find(tx, organisation_id, self.fields).await?;
            let known = known.ok_or_else(|| Problem::internal("evidence that is there is not found"))?;
            return self.known(tx, known, storage_key).await;
        }
        self.audit(tx, &answer).await?;
        Ok(Recorded { status: StatusCode::CREATED, answer, storage_key })
    }

    /// The answer where the same evidence was stored before, with the receipt that was given then.
    async fn known(
        &self,
        tx: &Transaction,
        known: Evidence,
        storage_key: String,
    ) -> Result<Recorded, Problem> {
        let organisation_id = self.principal.organisation_id;
        let repetition = evidence::repetition(tx, organisation_id, known.id, &self.metadata()).await?;
        let receipt = match repetition.receipt {
            Some(receipt) => receipt,
            None => self.receipt(known.id, known.created_at)?,
        };
        let answer = EvidenceAnswer {
            content_type: known.content_type,
            status: known.status.as_str().to_owned(),
            metadata_differs: repetition.metadata_differs,
            ..self.answer(known.id, receipt)
        };
        Ok(Recorded { status: StatusCode::OK, answer, storage_key })
    }

    fn new_answer(&self, made_at: OffsetDateTime) -> Result<EvidenceAnswer, Problem> {
        let id = self.fields.evidence_id.unwrap_or_else(Uuid::now_v7);
        Ok(self.answer(id, self.receipt(id, made_at)?))
    }

    fn answer(&self, evidence_id: Uuid, receipt: String) -> EvidenceAnswer {
        EvidenceAnswer {
            evidence_id,
            hash: HEXLOWER.encode(&self.bytes.sha256),
            size: self.bytes.size_bytes,
            content_type: self.content_type.as_str().to_owned(),
            status: "verified".to_owned(),
            receipt,
            metadata_differs: Vec::new(),
        }
    }

    fn receipt(&self, evidence_id: Uuid, made_at: OffsetDateTime) -> Result<String, Problem> {
        let subject = ReceiptSubject::Evidence {
            evidence_id,
            sha256: HEXLOWER.encode(&self.bytes.sha256),
            size_bytes: self.bytes.size_bytes,
            item_id: self.fields.item_id.clone().map(String::from),
            evidence_type: Some(self.fields.evidence_type.as_str().to_owned()),
        };
        let of = (self.principal.organisation_id, self.fields.session_id);
        self.state.receipt_keys.sign(of, made_at, subject).map_err(Problem::internal)
    }

    fn metadata(&self) -> Value {
        Value::Object(self.fields.metadata.clone().unwrap_or_default().0)
    }

    /// False where the id is in use by now.
    async fn insert(&self, tx: &Transaction, answer: &EvidenceAnswer) -> Result<bool, StorageError> {
        let evidence = NewEvidence {
            id: answer.evidence_id,
            session_id: self.fields.session_id,
            item_id: self.fields.item_id.as_ref().map(ItemId::as_str),
            evidence_type: self.fields.evidence_type,
            sha256: &self.bytes.sha256,
            content_type: self.content_type.as_str(),
            metadata: &self.metadata(),
            file_name: self.file_name,
            uploaded_by: self.principal.user_id,
            receipt: &answer.receipt,
        };
        evidence::insert(tx, self.principal.organisation_id, &evidence).await
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
        let event = self.principal.event("evidence.upload", resource, AuditStatus::Success, after);
        audit::record(tx, &[event]).await
    }
}
