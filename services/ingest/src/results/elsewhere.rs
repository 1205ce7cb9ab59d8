//! Changes that were sent to the wrong session: what they build on is stored in another one that their user knows.

use std::sync::Arc;

use firemode_domain::document::Stranger;
use firemode_storage::recent_sessions::{self, Suspect};
use firemode_storage::{StorageError, Transaction};
use firemode_web::Problem;
use uuid::Uuid;

use super::queue::Request;

/// Missing changes of one request that are looked for. A device that took the wrong session misses few, however much it sends: what it
/// sends builds on each other.
const LOOKED_FOR_MAX: usize = 32;

/// Looks for what the changes of these requests wait for in other sessions. Gives the places of those that are refused for it.
pub(super) async fn refusals(
    tx: &Transaction,
    requests: &[(usize, &Arc<Request>)],
) -> Result<Vec<(usize, Problem)>, StorageError> {
    let (mut suspects, mut origins) = (Vec::new(), Vec::new());
    for (place, request) in requests {
        for stranger in request.strangers.get().into_iter().flatten().take(LOOKED_FOR_MAX) {
            suspects.push(Suspect { visit: request.visit(), hash: stranger.hash });
            origins.push((*place, stranger));
        }
    }
    if suspects.is_empty() {
        return Ok(Vec::new());
    }
    let found = recent_sessions::find_elsewhere(tx, &suspects).await?;
    let refusal = |(suspect, session_id): (usize, Uuid)| {
        let (place, stranger) = origins.get(suspect)?;
        Some((*place, problem(stranger, session_id)))
    };
    Ok(found.into_iter().filter_map(refusal).collect())
}

fn problem(stranger: &Stranger, session_id: Uuid) -> Problem {
    let message = format!(
        "belongs to session {session_id}, whose change {} it builds on: send it there",
        stranger.hash
    );
    Problem::invalid_field(format!("changes[{}]", stranger.index), message)
}
