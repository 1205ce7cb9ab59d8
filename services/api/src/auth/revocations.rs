//! Keeps the list of revoked tokens fresh.

use std::time::Duration;

use actix_web::web;

use crate::state::{ApiState, Ready};

/// Reads the list again and again.
pub(crate) async fn keep_fresh(state: web::Data<ApiState>) {
    let pause = Duration::from_millis(state.settings.auth.revocation_poll_milliseconds);
    let mut failing = false;
    loop {
        tokio::time::sleep(pause).await;
        // Before the first migration there is no list; nobody is let in then either.
        if state.readiness.get() == Ready::Starting {
            continue;
        }
        match state.revocations.refresh(&state.database).await {
            Ok(()) => failing = false,
            Err(error) if !failing => {
                failing = true;
                tracing::warn!(%error, "the revocation list cannot be read; tokens are checked in the database");
            }
            Err(_) => {}
        }
    }
}
