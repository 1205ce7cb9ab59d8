//! What every request of the process shares.

use firemode_domain::document::Limits;
use firemode_identity::{InternalKey, ReceiptKeys};
use firemode_runtime::process_id::ProcessId;
use firemode_runtime::settings::{Role, Settings};
use firemode_storage::documents::WarmDocuments;
use firemode_storage::evidence_store::EvidenceStore;
use firemode_storage::idempotency::IdempotencyScope;
use firemode_storage::recent_sessions::NotedVisits;
use firemode_storage::{Database, Transaction, limits};
use firemode_web::{Outcome, Problem, ServerError, run_once};

use crate::classify::queue::QueueEnd;
use crate::classify::{self, PresentRules};
use crate::principal::Principal;
use crate::results::admission::MergeRoom;
use crate::results::queue::{Lanes, Queue};

/// What every request of the process shares.
pub(crate) struct IngestState {
    pub(crate) settings: Settings,
    pub(crate) database: Database,
    pub(crate) evidence_store: EvidenceStore,
    pub(crate) documents: WarmDocuments,
    pub(crate) queue: Queue,
    pub(crate) merge_room: MergeRoom,
    pub(crate) classifications: classify::queue::Queue,
    pub(crate) rules: PresentRules,
    pub(crate) visits: NotedVisits,
    pub(crate) internal_key: InternalKey,
    pub(crate) receipt_keys: ReceiptKeys,
    pub(crate) limits: Limits,
    /// Names this process among those that write changes.
    pub(crate) process_id: ProcessId,
}

impl IngestState {
    /// With the queues' other ends, which have to be run.
    pub(crate) fn new(settings: Settings) -> Result<(Self, Lanes, QueueEnd), ServerError> {
        let (queue, lanes) = Queue::new(&settings.results);
        let (classifications, classifications_end) = classify::queue::Queue::new(&settings.classify);
        let database = Database::new(&settings, settings.database.share(Role::Ingest))?;
        let state = Self {
            evidence_store: EvidenceStore::open(&settings, &database)?,
            database,
            documents: WarmDocuments::new(
                settings.ingest_warm_bytes(),
                settings.ingest_work_bytes(),
                settings.snapshots.changes_min,
            )
            .for_work_alone(),
            queue,
            merge_room: MergeRoom::new(settings.ingest_merge_bytes()),
            classifications,
            rules: PresentRules::default(),
            visits: NotedVisits::default(),
            internal_key: InternalKey::new(
                &settings.auth.internal_jwt_secret_key,
                &settings.auth.internal_jwt_keys_accepted(),
            ),
            receipt_keys: ReceiptKeys::new(&settings.receipts.signing_key)
                .ok_or(ServerError::Keys("receipts.signing_key"))?,
            limits: limits::of_documents(&settings),
            process_id: ProcessId::of_new_process(),
            settings,
        };
        Ok((state, lanes, classifications_end))
    }

    /// Runs an act of a caller in one transaction, once for each key: see [`run_once`].
    pub(crate) async fn run_once(
        &self,
        principal: &Principal,
        scope: Option<IdempotencyScope>,
        fingerprint: &[u8],
        act: impl AsyncFnMut(&Transaction) -> Result<Outcome, Problem>,
    ) -> Result<Outcome, Problem> {
        let access = self.database.tenant(principal.organisation_id);
        run_once(access, scope, fingerprint, self.settings.idempotency.days, act).await
    }
}
