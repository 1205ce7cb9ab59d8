//! Resumable uploads: tus 1.0.0 under `/v1/evidence/uploads`.
//!
//! A chunk's bytes go to the evidence store and are durable before its answer; what arrived of a chunk that broke off counts
//! too. Nothing of an upload is in memory between requests, so any instance can go on with it.

mod concatenate;
mod create;
mod finish;
mod headers;
mod metadata;
mod receive;

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use firemode_storage::evidence_uploads::{self, ResumableUpload};
use firemode_web::tus::{
    EVIDENCE_ID, EVIDENCE_RECEIPT, UPLOAD_CONCAT, UPLOAD_DEFER_LENGTH, UPLOAD_EXPIRES, UPLOAD_LENGTH,
    UPLOAD_METADATA, UPLOAD_OFFSET,
};
use firemode_web::wire::UploadAnswer;
use firemode_web::{Problem, catalogue};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

pub(crate) use self::create::create;
use crate::detached;
use crate::evidence::incoming;
use crate::principal::Principal;
use crate::state::IngestState;

/// Shows how far an upload is.
pub(crate) async fn show(
    principal: Principal,
    id: web::Path<Uuid>,
    request: HttpRequest,
    state: web::Data<IngestState>,
) -> Result<HttpResponse, Problem> {
    headers::check_version_if_said(&request)?;
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
    let said = receive::Said {
        offset: headers::offset(&request)?,
        length: headers::length(&request)?,
        checksum: headers::checksum(&request)?,
    };
    let upload = find(&state, &principal, *id).await?;
    if upload.is_final() {
        return Err(Problem::forbidden(
            "The upload was put together from others and takes no bytes of its own.",
        ));
    }
    let work = async move { receive::chunk(&state, &principal, upload, said, payload).await };
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
    Ok(HttpResponse::NoContent().finish())
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
    response.insert_header((UPLOAD_OFFSET, upload.offset_bytes));
    response.insert_header((UPLOAD_EXPIRES, http_date(upload.expires_at)));
    match upload.length_bytes {
        Some(length) => response.insert_header((UPLOAD_LENGTH, length)),
        None => response.insert_header((UPLOAD_DEFER_LENGTH, "1")),
    };
    for (header, value) in [(UPLOAD_METADATA, &upload.metadata), (UPLOAD_CONCAT, &upload.concatenation)] {
        if let Some(value) = value {
            response.insert_header((header, value.as_str()));
        }
    }
    for header in evidence_headers(upload.answer.as_ref()) {
        response.insert_header(header);
    }
}

/// The headers that name the evidence.
fn evidence_headers(answer: Option<&Value>) -> impl Iterator<Item = (&'static str, &str)> {
    let shown = move |name: &str| answer?[name].as_str();
    [(EVIDENCE_ID, "evidence_id"), (EVIDENCE_RECEIPT, "receipt")]
        .into_iter()
        .filter_map(move |(header, member)| Some((header, shown(member)?)))
}

/// A time as HTTP headers write it (RFC 9110, 5.6.7).
fn http_date(time: OffsetDateTime) -> String {
    actix_web::http::header::HttpDate::from(std::time::SystemTime::from(time)).to_string()
}

/// The fields of an upload, as they were sent.
fn fields_of(fields: Value) -> Result<firemode_web::wire::EvidenceFields, Problem> {
    serde_json::from_value(fields).map_err(Problem::internal)
}
