//! What happened to a defect.

use actix_web::{HttpResponse, web};
use firemode_storage::defects::history::{self, DefectEvent};
use firemode_web::Problem;
use uuid::Uuid;

use super::known;
use crate::list::{Everything, List, Listing};

/// Lists what happened to a defect, what was recorded last first
///
/// What people did, and each state of each observation, from when it was known.
#[utoipa::path(get, path = "/v1/defects/{defect_id}/history", tag = "defects", operation_id = "defect_history",
    params(("defect_id" = Uuid, Path), Listing<Everything>),
    responses((status = 200, description = "One page.", body = List<DefectEvent>)))]
pub(crate) async fn list(id: web::Path<Uuid>, list: Listing<Everything>) -> Result<HttpResponse, Problem> {
    list.answer(async |tx, Listing { call, .. }, keyset| {
        let defect = known(call, tx, *id, None).await?;
        Ok(history::list(tx, call.organisation_id(), defect.id, keyset).await?)
    })
    .await
}
