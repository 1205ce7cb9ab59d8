//! What answers rely on: changes that a document in memory has, and that the database must have too.
//!
//! A database can lose what it had committed, when it fails over to a standby that was behind. A document in memory does not notice;
//! so what is about to be acknowledged on top of such a document is refused, and the document is read again.

use firemode_domain::document::ChangeHash;
use uuid::Uuid;

use crate::sql::{self, Param, Statement, params};
use crate::{Executor, StorageError, Transaction};

/// The constraint that refuses to go on where a change that is relied on is not stored.
pub const RELIED_ON: &str = "session_changes_relied_on";

/// Changes of a session that must be stored.
#[derive(Debug, Clone, Copy)]
pub struct Reliance<'a> {
    /// The tenant.
    pub organisation_id: Uuid,
    /// The session.
    pub session_id: Uuid,
    /// Their hashes.
    pub hashes: &'a [ChangeHash],
}

/// Makes sure that changes are stored.
///
/// # Errors
/// [`RELIED_ON`] as constraint where one is not, or the database does not answer.
pub async fn require(tx: &Transaction, reliance: Reliance<'_>) -> Result<(), StorageError> {
    if let Some(requirement) = requirement(&[reliance]) {
        requirement.rows(tx).await?;
    }
    Ok(())
}

/// The statement of [`require`], for changes of any sessions. None where there is nothing to ask.
pub(crate) fn requirement(reliances: &[Reliance<'_>]) -> Option<Statement<'static>> {
    let of_session = |reliance: &Reliance<'_>| {
        let Reliance { organisation_id, session_id, hashes } = *reliance;
        hashes.iter().map(move |hash| (organisation_id, session_id, *hash)).collect::<Vec<_>>()
    };
    let changes: Vec<_> = reliances.iter().flat_map(of_session).collect();
    (!changes.is_empty()).then(|| {
        let sql = "select refuse_reliance() where (select count(*) from stored_changes($1, $2, $3)) < cardinality($3)";
        Statement::new(sql, columns(&changes))
    })
}

/// Which of these changes, each with its organisation and session, are stored: their places. One look into the primary key for each.
///
/// # Errors
/// The database does not answer.
pub(crate) async fn find_stored(
    on: &impl Executor,
    changes: &[(Uuid, Uuid, ChangeHash)],
) -> Result<Vec<usize>, StorageError> {
    let found = Statement::new("select place from stored_changes($1, $2, $3) as place", columns(changes));
    Ok(found.rows(on).await?.iter().map(|row| sql::place(row.get(0))).collect())
}

fn columns(changes: &[(Uuid, Uuid, ChangeHash)]) -> Vec<Param<'static>> {
    let organisations: Vec<Uuid> = changes.iter().map(|(organisation_id, _, _)| *organisation_id).collect();
    let sessions: Vec<Uuid> = changes.iter().map(|(_, session_id, _)| *session_id).collect();
    let hashes: Vec<Vec<u8>> = changes.iter().map(|(_, _, hash)| hash.as_ref().to_vec()).collect();
    params![organisations, sessions, hashes]
}
