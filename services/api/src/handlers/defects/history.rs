//! What happened to a defect.

use actix_web::{HttpResponse, web};
use firemode_storage::defects::history::{self, DefectEvent};
use firemode_web::Problem;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::known;
use crate::list::{Everything, List, Listing};
use crate::people::People;

/// Something that happened to a defect, and what the people are called that it names.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NamedEvent {
    #[serde(flatten)]
    event: DefectEvent,
    /// What the user is called who did it; null: a session says it.
    #[schema(example = "Technician 3")]
    user_name: Option<String>,
    /// Of `assign`: what the user is called who is to see to it.
    #[schema(example = "Ada E.")]
    assigned_to_name: Option<String>,
}

impl NamedEvent {
    fn of(event: DefectEvent, people: &People) -> Self {
        let (user_name, assigned_to_name) = (people.name(event.user_id), people.name(assigned_to(&event)));
        Self { event, user_name, assigned_to_name }
    }
}

/// Who is to see to it from then on.
fn assigned_to(event: &DefectEvent) -> Option<Uuid> {
    event.body.get("assigned_to").filter(|_| event.kind == "assign")?.as_str()?.parse().ok()
}

/// Lists what happened to a defect, what was recorded last first
///
/// What people did, and each state of each observation, from when it was known.
#[utoipa::path(get, path = "/v1/defects/{defect_id}/history", tag = "defects", operation_id = "defect_history",
    params(("defect_id" = Uuid, Path), Listing<Everything>),
    responses((status = 200, description = "One page.", body = List<NamedEvent>)))]
pub(crate) async fn list(id: web::Path<Uuid>, list: Listing<Everything>) -> Result<HttpResponse, Problem> {
    list.answer(async |tx, Listing { call, .. }, keyset| {
        let defect = known(call, tx, *id, None).await?;
        let page = history::list(tx, call.organisation_id(), defect.id, keyset).await?;
        let named = |event: &DefectEvent| [event.user_id, assigned_to(event)];
        let people = call.people(tx, page.rows.iter().flat_map(named)).await?;
        Ok(page.map(|event| NamedEvent::of(event, &people)))
    })
    .await
}
