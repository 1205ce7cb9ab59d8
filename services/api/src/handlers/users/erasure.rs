//! Erasing what is personal of a user.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use firemode_storage::{Transaction, account_tokens, idempotency, second_factors, users};
use firemode_web::{IdempotencyKey, Outcome, Problem};
use uuid::Uuid;

use crate::auth::tokens::{end_all, new_secret_token};
use crate::call::{Call, NO_BODY};
use crate::handlers::users::{UserView, refuse_last_admin};
use crate::profile::no_such_user;

/// Erases what is personal of a user
///
/// Nobody can read the names, the telephone number and the address any more. The user cannot sign in again, and every session of it ends.
/// The id stays, so that what the user did has somebody who did it. The last active admin cannot be erased.
#[utoipa::path(post, path = "/v1/users/{user_id}/erase", tag = "users", params(("user_id" = Uuid, Path), IdempotencyKey),
    responses((status = 200, description = "Erased, now or before.", body = UserView),
              (status = 409, description = "It is the last active admin.")))]
pub(crate) async fn erase(
    id: web::Path<Uuid>,
    key: IdempotencyKey,
    call: Call,
) -> Result<HttpResponse, Problem> {
    let (organisation_id, id) = (call.organisation_id(), *id);
    // Nobody knows this password.
    let password_hash = call.state.passwords.hash(&new_secret_token().0).await?;
    let nothing = call.state.vault.encrypt("");
    let mut ended = None;
    let erase = async |tx: &Transaction| {
        let (before, has_other_admin) =
            users::find_for_update(tx, organisation_id, id).await?.ok_or_else(no_such_user)?;
        if before.erased_at.is_none() {
            refuse_last_admin(&before, has_other_admin)?;
            users::erase(tx, organisation_id, id, &nothing, &password_hash).await?;
            idempotency::forget_address(tx, organisation_id, id).await?;
            account_tokens::withdraw_all(tx, organisation_id, id).await?;
            second_factors::remove(tx, organisation_id, id).await?;
            ended = Some(end_all(tx, organisation_id, id, true).await?);
            call.record(tx, "user.erase", ("user", id), None, None).await?;
        }
        let after = users::find(tx, organisation_id, id).await?.ok_or_else(no_such_user)?;
        Outcome::new(StatusCode::OK, &UserView::of(&call, after))
    };
    let outcome = call.run_once(&key, &NO_BODY, erase).await?;
    ended.into_iter().for_each(|entry| call.state.revocations.add(entry));
    Ok(outcome.respond())
}
