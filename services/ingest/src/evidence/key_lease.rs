//! The lease of an idempotency key, for as long as an upload is on its way.

use std::time::Duration;

use actix_web::{rt, web};
use firemode_storage::idempotency::{IdempotencyScope, KeyClaim};
use firemode_storage::{StorageError, idempotency_leases};
use firemode_web::Problem;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::state::IngestState;

/// A lease that a task of its own renews. Dropped, it is let go a moment later: a request's future ends with its connection.
#[derive(Debug)]
pub(super) struct KeyLease {
    /// Dropping it ends the task.
    wanted: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl KeyLease {
    /// Takes the lease of a key. Nothing for one that was answered before: only the whole request shows whether it is the same.
    ///
    /// # Errors
    /// 409 where the first request with the key is still running, here or on another instance.
    pub(super) async fn take(
        state: &web::Data<IngestState>,
        scope: IdempotencyScope,
    ) -> Result<Option<Self>, Problem> {
        let holding = Holding { state: state.clone(), scope, holder_id: Uuid::now_v7() };
        let tx = state.database.tenant(holding.scope.organisation_id).transaction().await?;
        let claim =
            idempotency_leases::take(&tx, &holding.scope, holding.holder_id, holding.seconds()).await?;
        match claim {
            KeyClaim::New => tx.commit().await?,
            KeyClaim::Answered(_) => return Ok(None),
            KeyClaim::InProgress => return Err(Problem::in_progress()),
        }
        let (wanted, released) = oneshot::channel();
        let task = rt::spawn(holding.until(released));
        Ok(Some(Self { wanted, task }))
    }

    /// Lets the key go before the client gets an answer: it may send the next request under it at once.
    pub(super) async fn release(self) {
        drop(self.wanted);
        if let Err(error) = self.task.await {
            tracing::warn!(%error, "the lease of an idempotency key was not let go; it expires");
        }
    }
}

struct Holding {
    state: web::Data<IngestState>,
    scope: IdempotencyScope,
    holder_id: Uuid,
}

impl Holding {
    fn seconds(&self) -> u32 {
        self.state.settings.idempotency.lease_seconds
    }

    async fn until(self, mut released: oneshot::Receiver<()>) {
        // Two renewals may fail before it expires.
        let pause = Duration::from_secs(self.seconds().into()) / 3;
        while tokio::time::timeout(pause, &mut released).await.is_err() {
            match self.renew().await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => tracing::warn!(%error, "the lease of an idempotency key was not renewed"),
            }
        }
        if let Err(error) = self.release().await {
            tracing::warn!(%error, "the lease of an idempotency key was not let go; it expires");
        }
    }

    async fn renew(&self) -> Result<bool, StorageError> {
        let tx = self.state.database.tenant(self.scope.organisation_id).transaction().await?;
        let renewed = idempotency_leases::renew(&tx, &self.scope, self.holder_id, self.seconds()).await?;
        tx.commit().await?;
        Ok(renewed)
    }

    async fn release(&self) -> Result<(), StorageError> {
        let tx = self.state.database.tenant(self.scope.organisation_id).transaction().await?;
        idempotency_leases::release(&tx, &self.scope, self.holder_id).await?;
        tx.commit().await
    }
}
