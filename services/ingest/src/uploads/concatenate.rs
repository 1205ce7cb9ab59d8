//! Puts a file together from parts that were uploaded side by side.

use actix_web::http::StatusCode;
use firemode_storage::Transaction;
use firemode_storage::evidence_uploads::{self, NewUpload, ResumableUpload};
use firemode_storage::idempotency::{self, IdempotencyScope};
use firemode_web::wire::EvidenceFields;
use firemode_web::{IdempotencyKey, Outcome, Problem, catalogue};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use uuid::{Builder, Uuid};

use super::finish::{Assembled, join};
use super::{answer, create};
use crate::evidence::again;
use crate::evidence::form::too_large;
use crate::evidence::incoming::remove;
use crate::evidence::keep::{Keeping, check};
use crate::principal::Principal;
use crate::state::IngestState;

/// Makes the parts a piece of evidence. They are given up with it, in one transaction.
///
/// The id of the whole follows from its parts: a client that has had no answer and asks again, under any key, gets it.
pub(super) async fn upload(
    state: &IngestState,
    principal: &Principal,
    key: &IdempotencyKey,
    mut new: NewUpload,
    fields: EvidenceFields,
    parts: Vec<Uuid>,
) -> Result<Outcome, Problem> {
    let id = id_of(principal, &parts);
    let fingerprint = create::fingerprint(&new);
    let scope = key.scope(principal.organisation_id, principal.user_id);
    if let Some(first) = first_answer(state, scope.as_ref(), &fingerprint).await? {
        return Ok(first);
    }
    if let Some(known) = known(state, principal, id, &new).await? {
        return Ok(known);
    }
    let (keys, length) = whole_parts(state, principal, &fields, &parts).await?;
    new.length_bytes = Some(length);
    let assembled = join(state, principal, &fields, &keys).await?;
    let Assembled { bytes, content_type } = &assembled;
    if let Err(problem) = check(state, principal, &fields, &bytes.sha256, bytes.size_bytes).await {
        remove(state, principal.organisation_id, std::slice::from_ref(&bytes.key)).await;
        return Err(problem);
    }
    let content_type = *content_type;
    let keeping = Keeping { state, principal, fields: &fields, file_name: None, bytes, content_type };
    let mut unused = Vec::new();
    let owner = (principal.organisation_id, principal.user_id);
    let outcome = keeping
        .commit(scope, &fingerprint, async |tx, _, evidence| {
            unused = give_up(tx, principal, &parts).await?;
            let evidence: Value = serde_json::to_value(evidence).map_err(Problem::internal)?;
            let hours = state.settings.evidence.upload_hours_max;
            let upload = evidence_uploads::insert_final(tx, owner, id, &new, &evidence, hours).await?;
            Outcome::new(StatusCode::CREATED, &answer(upload))
        })
        .await?;
    remove(state, principal.organisation_id, &unused).await;
    Ok(outcome)
}

/// An id that has these parts, in this order, and no others.
fn id_of(principal: &Principal, parts: &[Uuid]) -> Uuid {
    let mut hasher = Sha256::new_with_prefix(principal.user_id);
    for part in parts {
        hasher.update(part);
    }
    let mut id = [0; 16];
    id.copy_from_slice(&hasher.finalize()[..16]);
    Builder::from_custom_bytes(id).into_uuid()
}

/// The first answer under the key. It is looked for before anything else, because the parts are gone with it.
async fn first_answer(
    state: &IngestState,
    scope: Option<&IdempotencyScope>,
    fingerprint: &[u8],
) -> Result<Option<Outcome>, Problem> {
    let Some(scope) = scope else { return Ok(None) };
    let tx = state.database.tenant(scope.organisation_id).transaction().await?;
    let claim = idempotency::claim(&tx, scope).await?;
    // It is claimed again in the transaction of the act.
    tx.abandon().await;
    Outcome::of_claim(claim, fingerprint)
}

/// The whole, where it was put together before.
async fn known(
    state: &IngestState,
    principal: &Principal,
    id: Uuid,
    new: &NewUpload,
) -> Result<Option<Outcome>, Problem> {
    let tx = state.database.tenant(principal.organisation_id).read().await?;
    let owner = (principal.organisation_id, principal.user_id);
    let Some(upload) = evidence_uploads::find(&tx, owner, id).await? else { return Ok(None) };
    if upload.fields != new.fields {
        let detail = format!("These parts have become another piece of evidence: /v1/evidence/uploads/{id}.");
        return Err(Problem::of(catalogue::EXISTS, detail));
    }
    let outcome = Outcome::new(StatusCode::CREATED, &answer(upload))?;
    Ok(Some(Outcome { replayed: true, ..outcome }))
}

/// Where the bytes of the parts are, and how many there are.
async fn whole_parts(
    state: &IngestState,
    principal: &Principal,
    fields: &EvidenceFields,
    parts: &[Uuid],
) -> Result<(Vec<String>, u64), Problem> {
    let organisation_id = principal.organisation_id;
    let tx = state.database.tenant(organisation_id).read().await?;
    again::check(&tx, organisation_id, fields).await?;
    let (mut keys, mut length) = (Vec::new(), 0);
    for id in parts {
        let part = evidence_uploads::find(&tx, (organisation_id, principal.user_id), *id).await?;
        length += check_part(*id, part)?;
        keys.extend(evidence_uploads::parts(&tx, organisation_id, *id).await?);
    }
    let bytes_max = state.settings.ingest.evidence_bytes_max;
    if length > bytes_max { Err(too_large(bytes_max)) } else { Ok((keys, length)) }
}

/// Is it a part, and is it whole? Gives its length.
fn check_part(id: Uuid, part: Option<ResumableUpload>) -> Result<u64, Problem> {
    match part {
        Some(part) if part.is_partial() && part.is_complete() => Ok(part.offset_bytes),
        _ => {
            let why = format!("names {id}, which is no upload of yours that is a part and is whole");
            Err(Problem::invalid_field("Upload-Concat", why))
        }
    }
}

/// Ends the parts. Returns where their bytes are.
async fn give_up(tx: &Transaction, principal: &Principal, parts: &[Uuid]) -> Result<Vec<String>, Problem> {
    let organisation_id = principal.organisation_id;
    // In one order, so that two requests for the same parts cannot wait for each other.
    let mut in_order = parts.to_vec();
    in_order.sort_unstable();
    in_order.dedup();
    let mut unused = Vec::new();
    for id in in_order {
        let part = evidence_uploads::find_to_change(tx, (organisation_id, principal.user_id), id).await?;
        check_part(id, part)?;
        unused.extend(evidence_uploads::remove(tx, organisation_id, id).await?);
    }
    Ok(unused)
}
