//! Connections whose user has gone while the database was still at work for it: a request whose client has left, a job that was stopped.
//!
//! The statement runs on, and holds its locks. Whoever were given the connection next would wait for its end.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Client, Object};
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::reach::Reach;
use crate::sqlstate::described;

/// Most statements end by themselves within this time. Others are cancelled.
const MOMENT: Duration = Duration::from_millis(500);

/// Cancelling takes a connection of its own, and may take so long.
const CANCEL_MAX: Duration = Duration::from_secs(5);

/// Gives the connection back to its pool once nothing runs on it, or ends both what runs on it and the connection. It keeps its place in
/// the pool for no longer than a moment.
pub(crate) fn clear(client: Client, reach: &Arc<Reach>) {
    match Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn(wait_or_cancel(client, Arc::clone(reach)))),
        Err(_) => drop(Object::take(client)),
    }
}

async fn wait_or_cancel(client: Client, reach: Arc<Reach>) {
    if let Ok(Ok(())) = timeout(MOMENT, client.batch_execute("rollback")).await {
        return;
    }
    // Not back into the pool: a cancellation that comes late would hit a statement of the next user.
    let client = Object::take(client);
    match timeout(CANCEL_MAX, reach.cancel(client.cancel_token())).await {
        Ok(Ok(())) => tracing::debug!("a statement was cancelled that nobody waits for any more"),
        Ok(Err(error)) => {
            tracing::warn!(
                error = described(&error),
                "a statement that nobody waits for could not be cancelled"
            )
        }
        Err(_) => tracing::warn!("a statement that nobody waits for could not be cancelled in time"),
    }
}
