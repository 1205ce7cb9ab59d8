//! Short-lived addresses of evidence, for what cannot send a token: an `<img>`, a `<video>`, a viewer of another program.

use actix_web::{HttpRequest, HttpResponse, web};
use firemode_domain::body;
use firemode_domain::input::Secret;
use firemode_web::{Params, Problem};
use serde::Serialize;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use utoipa::ToSchema;
use uuid::Uuid;

use super::content::{Reader, serve};
use super::find;
use crate::call::Call;
use crate::state::ApiState;

/// An address that shows one piece of evidence without a token.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EvidenceLink {
    /// Path and query, to be put behind the address of the server.
    #[schema(
        example = "/v1/evidence/019a0000-0000-7000-8000-000000000000/linked?key=eyJhbGciOiJIUzI1NiIs..."
    )]
    url: String,
    /// Until when it works.
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

body! {
    /// What shows that an address was made here.
    #[derive(Debug)]
    pub(crate) struct LinkQuery {
        /// As it stands in the address.
        key: Secret<1, 4096>,
    }
}

/// Makes a short-lived address of a piece of evidence
///
/// For what cannot send a token: `<img src>`, `<video src>`. It works for five minutes, for this piece of evidence alone, and ends
/// with the access token that it was made with: signing out ends it. Each one that is made is on record.
#[utoipa::path(get, path = "/v1/evidence/{evidence_id}/link", tag = "evidence", params(("evidence_id" = Uuid, Path)),
    responses((status = 200, description = "The address.", body = EvidenceLink)))]
pub(crate) async fn link(id: web::Path<Uuid>, call: Call) -> Result<HttpResponse, Problem> {
    let evidence = find(&call.state, call.organisation_id(), *id).await?;
    let made = call.state.link_key.issue(&call.principal.claims, evidence.id, OffsetDateTime::now_utc());
    let (key, expires_at) = made.map_err(Problem::internal)?;
    let until = expires_at.format(&Rfc3339).map_err(Problem::internal)?;
    let tx = call.transaction().await?;
    let after = json!({ "expires_at": until });
    call.record(&tx, "evidence.link", ("evidence", evidence.id), None, Some(after)).await?;
    tx.commit().await?;
    let url = format!("/v1/evidence/{}/linked?key={key}", evidence.id);
    Ok(HttpResponse::Ok().json(EvidenceLink { url, expires_at }))
}

/// Reads the bytes of a piece of evidence at a short-lived address
///
/// Pictures, films and sounds are shown in pages of any origin; everything else is offered for download.
#[utoipa::path(get, path = "/v1/evidence/{evidence_id}/linked", tag = "evidence",
    params(("evidence_id" = Uuid, Path), Params<LinkQuery>),
    responses((status = 200, description = "All bytes.", content_type = "*/*",
               headers(("ETag"), ("Accept-Ranges"), ("Content-Disposition"))),
              (status = 206, description = "The bytes of the range that `Range` asks for.", content_type = "*/*",
               headers(("ETag"), ("Accept-Ranges"), ("Content-Disposition"), ("Content-Range"))),
              (status = 304, description = "You have them already."),
              (status = 404, description = "The address is not one that was made here, or does not work any more."),
              (status = 416, description = "The range lies outside the content; `Content-Range` says how long that is.",
               headers(("Content-Range")))))]
pub(crate) async fn linked(
    id: web::Path<Uuid>,
    query: Params<LinkQuery>,
    request: HttpRequest,
    state: web::Data<ApiState>,
) -> Result<HttpResponse, Problem> {
    let claims =
        state.link_key.verify(&query.0.key, OffsetDateTime::now_utc()).map_err(|_| no_such_link())?;
    if claims.evidence_id != *id || !state.revocations.allows(&state.database, &claims.access).await? {
        return Err(no_such_link());
    }
    let evidence = find(&state, claims.access.org, claims.evidence_id).await?;
    serve(&request, &state, evidence, Reader::Page).await
}

fn no_such_link() -> Problem {
    Problem::not_found("address, or it does not work any more")
}
