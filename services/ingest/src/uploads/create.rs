//! Opens an upload.

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, LOCATION};
use actix_web::{HttpRequest, HttpResponse, web};
use firemode_domain::audit::AuditStatus;
use firemode_storage::evidence_uploads::{self, NewUpload, ResumableUpload};
use firemode_storage::{Transaction, audit};
use firemode_web::tus::{EVIDENCE_ID, EVIDENCE_RECEIPT, UPLOAD_EXPIRES, UPLOAD_OFFSET};
use firemode_web::wire::EvidenceFields;
use firemode_web::{IdempotencyKey, Outcome, Problem, catalogue};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::headers::{self, Concatenation};
use super::{answer, concatenate, http_date, metadata};
use crate::detached;
use crate::evidence::again;
use crate::evidence::form::too_large;
use crate::principal::Principal;
use crate::state::IngestState;

/// Opens an upload: of a file, of a part of one, or of one that is put together from parts, which is complete at once.
pub(crate) async fn create(
    principal: Principal,
    key: IdempotencyKey,
    request: HttpRequest,
    state: web::Data<IngestState>,
) -> Result<HttpResponse, Problem> {
    headers::check_version(&request)?;
    let (metadata, concatenation) = (headers::metadata(&request)?, headers::concatenation_text(&request)?);
    let kind = headers::concatenation(concatenation.as_deref())?;
    let fields = match &kind {
        Concatenation::Part => None,
        Concatenation::Alone | Concatenation::Of(_) => Some(metadata::fields(metadata.as_deref())?),
    };
    let length_bytes = match &kind {
        Concatenation::Of(_) => None,
        Concatenation::Alone | Concatenation::Part => headers::length_or_deferred(&request)?,
    };
    if let Some(length) = length_bytes {
        check_length(&state, length)?;
    }
    let fields_json = fields.as_ref().map_or_else(|| Ok(json!({})), serde_json::to_value);
    let fields_json = fields_json.map_err(Problem::internal)?;
    let new = NewUpload { fields: fields_json, length_bytes, metadata, concatenation };
    let outcome = match (kind, fields) {
        (Concatenation::Of(parts), Some(fields)) => {
            let work = async move { concatenate::upload(&state, &principal, &key, new, fields, parts).await };
            detached::run_to_completion(work).await?
        }
        (_, fields) => open(&state, &principal, &key, &new, fields.as_ref()).await?,
    };
    respond(outcome)
}

/// May a file have this length?
pub(super) fn check_length(state: &IngestState, length: u64) -> Result<(), Problem> {
    let bytes_max = state.settings.ingest.evidence_bytes_max;
    match length {
        0 => Err(Problem::invalid_field("Upload-Length", "is 0: evidence has at least one byte")),
        _ if length > bytes_max => Err(too_large(bytes_max)),
        _ => Ok(()),
    }
}

async fn open(
    state: &IngestState,
    principal: &Principal,
    key: &IdempotencyKey,
    new: &NewUpload,
    fields: Option<&EvidenceFields>,
) -> Result<Outcome, Problem> {
    let (scope, fingerprint) = (key.scope(principal.organisation_id, principal.user_id), fingerprint(new));
    let opened = state.run_once(principal, scope, &fingerprint, async |tx| {
        if let Some(fields) = fields {
            again::check(tx, principal.organisation_id, fields).await?;
        }
        principal.check_token(tx).await?;
        let upload = insert(tx, state, principal, new).await?;
        let session_id = fields.map(|fields| fields.session_id);
        let after = json!({"session_id": session_id, "length_bytes": new.length_bytes});
        let resource = ("evidence_upload", Some(upload.id.to_string()));
        let event = principal.event("evidence.upload_begin", resource, AuditStatus::Success, after);
        audit::record(tx, &[event]).await?;
        Outcome::new(StatusCode::CREATED, &answer(upload))
    });
    opened.await
}

async fn insert(
    tx: &Transaction,
    state: &IngestState,
    principal: &Principal,
    new: &NewUpload,
) -> Result<ResumableUpload, Problem> {
    let owner = (principal.organisation_id, principal.user_id);
    let (hours, open_max) =
        (state.settings.evidence.upload_hours_max, state.settings.evidence.uploads_open_max);
    let upload = evidence_uploads::insert(tx, owner, new, hours, open_max).await?;
    upload.ok_or_else(|| {
        let detail = format!(
            "You have {open_max} uploads open. Finish one, or end it with DELETE /v1/evidence/uploads/<id>."
        );
        Problem::of(catalogue::UPLOADS_OPEN, detail)
    })
}

/// What two requests must share to be the same.
pub(super) fn fingerprint(new: &NewUpload) -> [u8; 32] {
    let length = new.length_bytes.map_or_else(|| "deferred".to_owned(), |length| length.to_string());
    let concatenation = new.concatenation.as_deref().map(|text| format!(" {text}")).unwrap_or_default();
    Sha256::digest(format!("{length} {}{concatenation}", new.fields)).into()
}

fn respond(outcome: Outcome) -> Result<HttpResponse, Problem> {
    outcome.respond_created(|upload| {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let expires_at =
            upload["expires_at"].as_str().and_then(|time| OffsetDateTime::parse(time, &Rfc3339).ok());
        [
            (LOCATION, upload["id"].as_str().map(|id| format!("/v1/evidence/uploads/{id}"))),
            (
                HeaderName::from_static(UPLOAD_OFFSET),
                upload["offset"].as_u64().map(|offset| offset.to_string()),
            ),
            (HeaderName::from_static(UPLOAD_EXPIRES), expires_at.map(http_date)),
            (HeaderName::from_static(EVIDENCE_ID), text(&upload["evidence"]["evidence_id"])),
            (HeaderName::from_static(EVIDENCE_RECEIPT), text(&upload["evidence"]["receipt"])),
        ]
    })
}
