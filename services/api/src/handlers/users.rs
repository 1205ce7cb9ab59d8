//! Users.

use actix_web::{HttpResponse, web};
use firemode_domain::role::Role;
use firemode_storage::users;
use firemode_web::Problem;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::access::Principal;
use crate::state::State;

/// A user, to the user.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Profile {
    pub(crate) id: Uuid,
    #[schema(example = "ada@example.com")]
    pub(crate) email: String,
    /// Stored encrypted; shown to its owner alone.
    #[schema(example = "Ada Example")]
    pub(crate) full_name: String,
    pub(crate) role: Role,
}

/// Who am I?
#[utoipa::path(get, path = "/v1/users/me", tag = "users",
    responses((status = 200, description = "The signed-in user.", body = Profile)))]
pub(crate) async fn me(principal: Principal, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let tx = state.database.tenant(principal.organisation_id).read().await?;
    let user = users::find(&tx, principal.organisation_id, principal.user_id)
        .await?
        .ok_or_else(|| Problem::not_found("user"))?;
    let full_name = state.vault.decrypt(&user.full_name_encrypted)?;
    Ok(HttpResponse::Ok().json(Profile { id: user.id, email: user.email, full_name, role: user.role }))
}
