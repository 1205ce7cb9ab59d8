//! From the parts of an upload to a piece of evidence.

use firemode_domain::media_type::MediaType;
use firemode_storage::evidence_store::StoredBytes;
use firemode_storage::evidence_uploads::{self, ResumableUpload};
use firemode_storage::{StorageError, Transaction};
use firemode_web::wire::EvidenceFields;
use firemode_web::{Outcome, Problem};
use futures_util::TryStreamExt as _;

use super::{conflict, fields_of, no_such_upload};
use crate::evidence::fields::file_name;
use crate::evidence::incoming::{begin, discard, remove};
use crate::evidence::keep::{Keeping, check};
use crate::evidence::sniff;
use crate::principal::Principal;
use crate::state::IngestState;

/// The whole file, in one place.
pub(super) struct Assembled {
    pub(super) bytes: StoredBytes,
    pub(super) content_type: MediaType,
}

/// Makes an upload a piece of evidence: with the last of its bytes, which become part of it in the same transaction. So an
/// upload whose offset is its length has become evidence, also when processes are killed.
pub(super) async fn upload(
    state: &IngestState,
    principal: &Principal,
    mut upload: ResumableUpload,
    last: Vec<StoredBytes>,
    head: Vec<u8>,
) -> Result<ResumableUpload, Problem> {
    let fields = fields_of(upload.fields.clone())?;
    let last_keys: Vec<String> = last.iter().map(|part| part.key.clone()).collect();
    let assembled = assemble(state, principal, &upload, &fields, last, head).await;
    let result = match assembled {
        Ok(assembled) => keep(state, principal, &upload, &fields, assembled, &last_keys).await,
        Err(problem) => Err(problem),
    };
    match result {
        Ok((answer, unused)) => {
            remove(state, principal.organisation_id, &unused).await;
            upload.offset_bytes = upload.length_bytes.unwrap_or(upload.offset_bytes);
            upload.answer = Some(answer);
            Ok(upload)
        }
        Err(problem) => Err(refused(state, principal, &upload, problem).await?),
    }
}

/// What is wrong with the last chunk: where another request was faster, that alone, and nothing about the mixture of the two.
///
/// After a wrong hash, or where its evidence id stands for something else by now, nothing of the upload is of use: it is removed, and
/// the client starts over.
async fn refused(
    state: &IngestState,
    principal: &Principal,
    upload: &ResumableUpload,
    problem: Problem,
) -> Result<Problem, Problem> {
    let tx = state.database.tenant(principal.organisation_id).transaction().await?;
    // Held, so that nobody goes on with what is about to be removed.
    check_offset(&tx, principal, upload).await?;
    if ["FIRE-422-HASH-MISMATCH", "FIRE-409-EXISTS"].contains(&problem.error_code().as_str()) {
        let parts = evidence_uploads::remove(&tx, principal.organisation_id, upload.id).await?;
        tx.commit().await?;
        remove(state, principal.organisation_id, &parts).await;
    }
    Ok(problem)
}

/// Brings the parts to one place, hashing them on the way. A file that came in one part is there already.
async fn assemble(
    state: &IngestState,
    principal: &Principal,
    upload: &ResumableUpload,
    fields: &EvidenceFields,
    mut last: Vec<StoredBytes>,
    head: Vec<u8>,
) -> Result<Assembled, Problem> {
    if upload.part_count == 0
        && last.len() == 1
        && let Some(bytes) = last.pop()
    {
        return Ok(Assembled { bytes, content_type: sniff::media_type(&head, file_name(fields)) });
    }
    let tx = state.database.tenant(principal.organisation_id).read().await?;
    let mut keys = evidence_uploads::parts(&tx, principal.organisation_id, upload.id).await?;
    drop(tx);
    keys.extend(last.into_iter().map(|part| part.key));
    join(state, principal, fields, &keys).await
}

/// Copies these bytes, one after the other, to one place.
pub(super) async fn join(
    state: &IngestState,
    principal: &Principal,
    fields: &EvidenceFields,
    keys: &[String],
) -> Result<Assembled, Problem> {
    let mut whole = begin(state, principal.organisation_id).await?;
    let mut head = Vec::new();
    let copied = async {
        for key in keys {
            let mut bytes = state.evidence_store.read(key, None).await?;
            while let Some(bytes) = bytes.try_next().await? {
                let missing = sniff::HEAD_BYTES - head.len();
                head.extend(bytes.iter().take(missing));
                whole.write(&bytes).await?;
            }
        }
        Ok::<_, StorageError>(())
    };
    if let Err(error) = copied.await {
        discard(state, principal.organisation_id, whole).await;
        return Err(error.into());
    }
    let bytes = whole.complete().await?;
    Ok(Assembled { bytes, content_type: sniff::media_type(&head, file_name(fields)) })
}

/// Keeps the file. Gives the answer, and what is not needed any more.
async fn keep(
    state: &IngestState,
    principal: &Principal,
    upload: &ResumableUpload,
    fields: &EvidenceFields,
    Assembled { bytes, content_type }: Assembled,
    last_keys: &[String],
) -> Result<(serde_json::Value, Vec<String>), Problem> {
    let organisation_id = principal.organisation_id;
    if let Err(problem) = check(state, principal, fields, &bytes.sha256, bytes.size_bytes).await {
        remove(state, organisation_id, &[last_keys, std::slice::from_ref(&bytes.key)].concat()).await;
        return Err(problem);
    }
    let mut unused = Vec::new();
    let keeping = Keeping { state, principal, fields, file_name: None, bytes: &bytes, content_type };
    let outcome = keeping
        .commit(None, &[], async |tx, status, answer| {
            check_offset(tx, principal, upload).await?;
            let shown = serde_json::to_value(answer).map_err(Problem::internal)?;
            unused =
                evidence_uploads::finish(tx, organisation_id, upload.id, bytes.size_bytes, &shown).await?;
            Outcome::new(status, answer)
        })
        .await?;
    unused.extend(last_keys.iter().filter(|key| **key != bytes.key).cloned());
    Ok((outcome.value()?, unused))
}

/// Another request for the same upload may have been faster.
async fn check_offset(
    tx: &Transaction,
    principal: &Principal,
    upload: &ResumableUpload,
) -> Result<(), Problem> {
    let owner = (principal.organisation_id, principal.user_id);
    let now = evidence_uploads::find_to_change(tx, owner, upload.id).await?.ok_or_else(no_such_upload)?;
    if now.offset_bytes == upload.offset_bytes { Ok(()) } else { Err(conflict(now.offset_bytes)) }
}
