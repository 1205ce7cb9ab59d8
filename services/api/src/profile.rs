//! A user as everybody with an account is shown: to itself, when it signs in and later.

use std::ops::Deref;

use firemode_domain::role::Role;
use firemode_identity::Vault;
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

/// The token of a text that a user has sent to take the place of what is kept; an empty one takes it away, as null does. None where
/// nothing was sent, or what is kept already. What cannot be read any more is replaced.
pub(crate) fn new_text<Text: Deref<Target = str>>(
    vault: &Vault,
    kept: Option<&[u8]>,
    sent: Option<Option<Text>>,
) -> Option<Option<Vec<u8>>> {
    let text = sent?;
    let text = text.as_deref().filter(|text| !text.is_empty());
    let is_kept = match (kept, text) {
        (Some(kept), Some(text)) => vault.decrypt(kept).is_ok_and(|known| known == text),
        (kept, text) => kept.is_none() && text.is_none(),
    };
    (!is_kept).then(|| text.map(|text| vault.encrypt(text)))
}

/// 404: there is no such user in the organisation.
pub(crate) fn no_such_user() -> Problem {
    Problem::not_found("user")
}
