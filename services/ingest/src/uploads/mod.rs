//! Resumable uploads: tus 1.0.0 under `/v1/evidence/uploads`.
//!
//! A chunk's bytes go to the evidence store and are durable before its answer; what arrived of a chunk that broke off counts
//! too. Nothing of an upload is in memory between requests, so any instance can go on with it.

mod finish;
mod headers;
mod receive;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, HeaderName, LOCATION};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use firemode_domain::audit::AuditStatus;
use firemode_storage::audit;
use firemode_storage::evidence_uploads::{self, ResumableUpload};
use firemode_web::tus::{
    EVIDENCE_ID, EVIDENCE_RECEIPT, TUS_RESUMABLE, UPLOAD_EXPIRES, UPLOAD_LENGTH, UPLOAD_OFFSET, VERSION,
};
use firemode_web::wire::UploadAnswer;
use firemode_web::{IdempotencyKey, Outcome, Problem, catalogue};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::detached;
use crate::evidence::form::too_large;
use crate::evidence::{again, incoming};
use crate::principal::Principal;
use crate::state::IngestState;

/// Opens an upload.
pub(crate) async fn create(
    principal: Principal,
    key: IdempotencyKey,
    request: HttpRequest,
    state: web::Data<IngestState>,
) -> Result<HttpResponse, Problem> {
    headers::check_version(&request)?;
    let length = headers::length(&request)?;
    if length == 0 {
        return Err(Problem::invalid_field("Upload-Length", "is 0: evidence has at least one byte"));
    }
    if length > state.settings.ingest.evidence_bytes_max {
        return Err(too_large(state.settings.ingest.evidence_bytes_max));
    }
    let fields = headers::fields(&request)?;
    let fields_json = serde_json::to_value(&fields).map_err(Problem::internal)?;
    let fingerprint: [u8; 32] = Sha256::digest(format!("{length} {fields_json}")).into();
    let (owner, settings) = ((principal.organisation_id, principal.user_id), &state.settings);
    let scope = key.scope(principal.organisation_id, principal.user_id);
    let outcome = state.run_once(&principal, scope, &fingerprint, async |tx| {
        again::check(tx, principal.organisation_id, &fields).await?;
        principal.check_token(tx).await?;
        let (hours, open_max) = (settings.evidence.upload_hours_max, settings.evidence.uploads_open_max);
        let upload = evidence_uploads::insert(tx, owner, &fields_json, length, hours, open_max).await?;
        let upload = upload.ok_or_else(|| {
            let detail = format!(
                "You have {open_max} uploads open. Finish one, or end it with DELETE /v1/evidence/uploads/<id>."
            );
            Problem::of(catalogue::UPLOADS_OPEN, detail)
        })?;
        let after = json!({"session_id": fields.session_id, "length_bytes": length});
        let resource = ("evidence_upload", Some(upload.id.to_string()));
        let event = principal.event("evidence.upload_begin", resource, AuditStatus::Success, after);
        audit::record(tx, &[event]).await?;
        Outcome::new(StatusCode::CREATED, &answer(upload))
    })
    .await?;
    outcome.respond_created(|upload| {
        [
            (LOCATION, upload["id"].as_str().map(|id| format!("/v1/evidence/uploads/{id}"))),
            (HeaderName::from_static(TUS_RESUMABLE), Some(VERSION.to_owned())),
            (
                HeaderName::from_static(UPLOAD_OFFSET),
                upload["offset"].as_u64().map(|offset| offset.to_string()),
            ),
        ]
    })
}

/// Shows how far an upload is.
pub(crate) async fn show(
    principal: Principal,
    id: web::Path<Uuid>,
    state: web::Data<IngestState>,
) -> Result<HttpResponse, Problem> {
    let upload = find(&state, &principal, *id).await?;
    let mut response = HttpResponse::Ok();
    response.insert_header((CACHE_CONTROL, "no-store"));
    describe(&mut response, &upload);
    Ok(response.json(answer(upload)))
}

/// Takes a chunk.
pub(crate) async fn append(
    principal: Principal,
    id: web::Path<Uuid>,
    request: HttpRequest,
    state: web::Data<IngestState>,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    headers::check_version(&request)?;
    headers::check_chunk_type(&request)?;
    let offset = headers::offset(&request)?;
    let checksum = headers::checksum(&request)?;
    let upload = find(&state, &principal, *id).await?;
    let work = async move { receive::chunk(&state, &principal, upload, offset, checksum, payload).await };
    let upload = detached::run_to_completion(work).await?;
    let mut response = HttpResponse::NoContent();
    describe(&mut response, &upload);
    Ok(response.finish())
}

/// Ends an upload and removes what there is of it. What it has become, if it was complete, stays.
pub(crate) async fn terminate(
    principal: Principal,
    id: web::Path<Uuid>,
    request: HttpRequest,
    state: web::Data<IngestState>,
) -> Result<HttpResponse, Problem> {
    headers::check_version(&request)?;
    let work = async move { remove(&state, &principal, *id).await };
    detached::run_to_completion(work).await?;
    Ok(HttpResponse::NoContent().insert_header((TUS_RESUMABLE, VERSION)).finish())
}

async fn remove(state: &IngestState, principal: &Principal, id: Uuid) -> Result<(), Problem> {
    let organisation_id = principal.organisation_id;
    let tx = state.database.tenant(organisation_id).transaction().await?;
    let upload = evidence_uploads::find_to_change(&tx, (organisation_id, principal.user_id), id).await?;
    upload.ok_or_else(no_such_upload)?;
    let parts = evidence_uploads::remove(&tx, organisation_id, id).await?;
    tx.commit().await?;
    incoming::remove(state, organisation_id, &parts).await;
    Ok(())
}

async fn find(state: &IngestState, principal: &Principal, id: Uuid) -> Result<ResumableUpload, Problem> {
    let tx = state.database.tenant(principal.organisation_id).read().await?;
    let upload = evidence_uploads::find(&tx, (principal.organisation_id, principal.user_id), id).await?;
    upload.ok_or_else(no_such_upload)
}

fn no_such_upload() -> Problem {
    Problem::not_found("upload, or it has expired")
}

fn conflict(offset: u64) -> Problem {
    Problem::of(
        catalogue::OFFSET,
        format!("The upload goes on at byte {offset}. Ask with HEAD where it stands, and send from there."),
    )
}

fn answer(upload: ResumableUpload) -> UploadAnswer {
    let ResumableUpload { id, length_bytes, offset_bytes, expires_at, answer, .. } = upload;
    UploadAnswer { id, length: length_bytes, offset: offset_bytes, expires_at, evidence: answer }
}

fn describe(response: &mut HttpResponseBuilder, upload: &ResumableUpload) {
    response.insert_header((TUS_RESUMABLE, VERSION));
    response.insert_header((UPLOAD_OFFSET, upload.offset_bytes));
    response.insert_header((UPLOAD_LENGTH, upload.length_bytes));
    response.insert_header((UPLOAD_EXPIRES, http_date(upload.expires_at)));
    let shown =
        |name: &str| upload.answer.as_ref().and_then(|answer| answer[name].as_str()).map(str::to_owned);
    for (header, member) in [(EVIDENCE_ID, "evidence_id"), (EVIDENCE_RECEIPT, "receipt")] {
        if let Some(value) = shown(member) {
            response.insert_header((header, value));
        }
    }
}

/// A time as HTTP headers write it (RFC 9110, 5.6.7).
fn http_date(time: OffsetDateTime) -> String {
    actix_web::http::header::HttpDate::from(std::time::SystemTime::from(time)).to_string()
}

/// The fields of an upload, as they were sent.
fn fields_of(fields: Value) -> Result<firemode_web::wire::EvidenceFields, Problem> {
    serde_json::from_value(fields).map_err(Problem::internal)
}
