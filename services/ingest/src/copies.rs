//! Keeps copies of documents that leave memory, so that the next write to their session need not read all of its record.

use std::time::Instant;

use actix_web::web;
use firemode_storage::documents::keep_copy;

use crate::state::IngestState;

/// Keeps a copy at a time, and rests after each for as long as it took. What is let go meanwhile is read from its record next time.
pub(crate) async fn keep(state: web::Data<IngestState>) {
    loop {
        let outgoing = state.documents.next_let_go().await;
        let (_, session_id) = outgoing.session();
        let began = Instant::now();
        if let Err(error) = keep_copy(&state.database, outgoing).await {
            tracing::warn!(%session_id, %error, "no copy of the document was kept");
        }
        tokio::time::sleep(began.elapsed()).await;
    }
}
