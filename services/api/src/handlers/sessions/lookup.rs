//! The session that a request names.

use firemode_storage::ReadTransaction;
use firemode_storage::sessions::{self, Hold, Session};
use firemode_web::Problem;
use uuid::Uuid;

/// The session that a request names.
///
/// # Errors
/// 404 where the organisation has none of this id.
pub(crate) async fn find(tx: &ReadTransaction, organisation_id: Uuid, id: Uuid) -> Result<Session, Problem> {
    sessions::find(tx, organisation_id, id, Hold::None).await?.ok_or_else(no_such_session)
}

/// 404: there is no such session in the organisation.
pub(crate) fn no_such_session() -> Problem {
    Problem::not_found("test session")
}
