//! A user as everybody with an account is shown: to itself, when it signs in and later.

use firemode_domain::role::Role;
use firemode_web::Problem;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// Who has signed in.
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

/// 404: there is no such user in the organisation.
pub(crate) fn no_such_user() -> Problem {
    Problem::not_found("user")
}
