//! Keeps snapshots of long documents, so that the next process that meets them need not work out all of their history.

use std::time::{Duration, Instant};

use actix_web::web;

use crate::state::{ApiState, Ready};

/// Between two snapshots there is at least so long a pause.
const PAUSE_MILLISECONDS_MIN: u64 = 100;

/// Makes the snapshots that are due, one at a time, and rests after each for as long as it took: so this never takes more than
/// half of one processor. Several instances may do so at once; what one has stored, the others leave.
///
/// What is due is noted by the request that reads a document, and not kept: after a restart it is noted again when it is read again.
pub(crate) async fn keep_current(state: web::Data<ApiState>) {
    loop {
        let (organisation_id, session_id) = state.documents.next_due().await;
        let began = Instant::now();
        if state.readiness.get() == Ready::Serving {
            match state.documents.keep_snapshot(&state.database, (organisation_id, session_id)).await {
                Ok(true) => tracing::debug!(%session_id, "a snapshot of the document is stored"),
                Ok(false) => {}
                Err(error) => tracing::warn!(%session_id, %error, "no snapshot of the document was stored"),
            }
        }
        tokio::time::sleep(began.elapsed().max(Duration::from_millis(PAUSE_MILLISECONDS_MIN))).await;
    }
}
