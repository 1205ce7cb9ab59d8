//! What every request of the process shares.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use firemode_domain::document::Limits;
use firemode_identity::{AccessKey, InternalKey, LinkKey, Passwords, ReceiptKeys, Revocations, Vault};
use firemode_runtime::process_id::ProcessId;
use firemode_runtime::settings::{Role, Settings};
use firemode_storage::documents::WarmDocuments;
use firemode_storage::evidence_store::EvidenceStore;
use firemode_storage::recent_sessions::{self, NotedVisits, Visit};
use firemode_storage::{Database, StorageError, Transaction, limits};
use firemode_web::{AskedForRecord, CursorKey, IdempotencyKey, Outcome, Problem, ServerError, run_once};

use crate::acts::UserRef;
use crate::auth::denials::Denials;
use crate::auth::throttle::Throttle;
use crate::handlers::exports::turns::Turns;
use crate::ingest_circuit::Circuit;
use crate::limits::rate::RateLimits;
use crate::readiness::SharedChecks;

/// Documents as they were that are built at the same time, each up to the largest size of a document.
const PAST_DOCUMENTS_MAX: usize = 2;

/// A request that fetches a session waits no longer than this until that is noted.
const NOTING_MAX: Duration = Duration::from_millis(200);

/// Offline bundles that are made at the same time.
const BUNDLES_MAX: usize = 4;

/// Pages of exports that are read at the same time. The pool of connections is small, and nobody waits for an export.
const EXPORT_PAGES_MAX: usize = 2;

/// What every request of the process shares.
pub(crate) struct ApiState {
    pub(crate) settings: Settings,
    pub(crate) database: Database,
    pub(crate) evidence: EvidenceStore,
    pub(crate) documents: WarmDocuments,
    pub(crate) visits: NotedVisits,
    pub(crate) access_key: AccessKey,
    pub(crate) internal_key: InternalKey,
    pub(crate) link_key: LinkKey,
    pub(crate) cursor_key: CursorKey,
    pub(crate) receipt_keys: ReceiptKeys,
    pub(crate) passwords: Passwords,
    pub(crate) vault: Vault,
    pub(crate) revocations: Revocations,
    pub(crate) throttle: Throttle,
    pub(crate) denials: Denials,
    pub(crate) readiness: Readiness,
    pub(crate) checks: SharedChecks,
    pub(crate) asked_for_record: AskedForRecord,
    pub(crate) ingest_circuit: Circuit,
    /// Turns to build a document as it was.
    pub(crate) past_documents: tokio::sync::Semaphore,
    /// Turns to make an offline bundle.
    pub(crate) bundles: tokio::sync::Semaphore,
    /// Whose exports are under way.
    pub(crate) exports: Turns,
    /// Turns to read a page of one.
    pub(crate) export_pages: tokio::sync::Semaphore,
    pub(crate) limits: Limits,
    /// None where they are switched off.
    pub(crate) rate_limits: Option<RateLimits>,
    /// Names this process among those that write changes.
    pub(crate) process_id: ProcessId,
}

impl ApiState {
    pub(crate) fn new(settings: Settings) -> Result<Self, ServerError> {
        let auth = &settings.auth;
        let database = Database::new(&settings, settings.database.share(Role::Api))?;
        Ok(Self {
            evidence: EvidenceStore::open(&settings, &database)?,
            documents: WarmDocuments::new(
                settings.api_warm_bytes(),
                settings.api_work_bytes(),
                settings.snapshots.changes_min,
            ),
            visits: NotedVisits::default(),
            access_key: AccessKey::new(&auth.jwt_secret_key, &auth.jwt_keys_accepted()),
            internal_key: InternalKey::new(&auth.internal_jwt_secret_key, &auth.internal_jwt_keys_accepted()),
            link_key: LinkKey::new(&auth.internal_jwt_secret_key, &auth.internal_jwt_keys_accepted()),
            cursor_key: CursorKey::derive(&auth.jwt_secret_key, &auth.jwt_keys_accepted()),
            receipt_keys: ReceiptKeys::new(&settings.receipts.signing_key)
                .ok_or(ServerError::Keys("receipts.signing_key"))?,
            passwords: Passwords::new(auth).ok_or(ServerError::Keys("auth"))?,
            vault: Vault::new(&auth.pii_encryption_key)
                .ok_or(ServerError::Keys("auth.pii_encryption_key"))?,
            revocations: Revocations::new(auth.revocation_stale_milliseconds),
            throttle: Throttle::new(auth, settings.server.trusted_proxy_hops),
            denials: Denials::default(),
            readiness: Readiness::default(),
            checks: SharedChecks::default(),
            asked_for_record: AskedForRecord::default(),
            ingest_circuit: Circuit::default(),
            past_documents: tokio::sync::Semaphore::new(PAST_DOCUMENTS_MAX),
            bundles: tokio::sync::Semaphore::new(BUNDLES_MAX),
            exports: Turns::default(),
            export_pages: tokio::sync::Semaphore::new(EXPORT_PAGES_MAX),
            limits: limits::of_documents(&settings),
            rate_limits: RateLimits::new(&settings.rate_limit),
            process_id: ProcessId::of_new_process(),
            database,
            settings,
        })
    }

    /// Notes that a user has fetched a session, once in a while. What is fetched does not depend on it, so it may fail, and is given up
    /// where the database takes its time. For a request that holds no connection any more.
    pub(crate) async fn note_fetched(&self, actor: impl Into<UserRef>, session_id: uuid::Uuid) {
        let UserRef { organisation_id, user_id } = actor.into();
        let visits = self.visits.unnoted([Visit { organisation_id, user_id, session_id }]);
        if visits.is_empty() {
            return;
        }
        let noting = async {
            let tx = self.database.tenant(organisation_id).transaction().await?;
            tx.without_the_disk().await?;
            recent_sessions::note(&tx, &visits).await?;
            tx.commit().await?;
            Ok::<_, StorageError>(())
        };
        match tokio::time::timeout(NOTING_MAX, noting).await {
            Ok(Ok(())) => self.visits.remember(&visits),
            Ok(Err(error)) => tracing::debug!(%error, "that a session was fetched is not noted"),
            Err(_) => tracing::debug!("that a session was fetched is not noted in time"),
        }
    }

    /// Runs an act of a user in one transaction, once for each key: see [`run_once`].
    pub(crate) async fn run_once(
        &self,
        actor: impl Into<UserRef>,
        key: &IdempotencyKey,
        fingerprint: &[u8],
        act: impl AsyncFnMut(&Transaction) -> Result<Outcome, Problem>,
    ) -> Result<Outcome, Problem> {
        let UserRef { organisation_id, user_id } = actor.into();
        let access = self.database.tenant(organisation_id);
        let scope = key.scope(organisation_id, user_id);
        run_once(access, scope, fingerprint, self.settings.idempotency.days, act).await
    }
}

/// Whether the process takes work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Ready {
    /// The database is not migrated yet.
    Starting,
    /// Everything is served.
    Serving,
    /// Requests that are here may finish.
    Stopping,
}

/// [`Ready`] for many threads.
#[derive(Debug, Default)]
pub(crate) struct Readiness {
    present: AtomicU8,
    has_opened: AtomicBool,
}

impl Readiness {
    pub(crate) fn get(&self) -> Ready {
        match self.present.load(Ordering::Acquire) {
            0 => Ready::Starting,
            1 => Ready::Serving,
            _ => Ready::Stopping,
        }
    }

    pub(crate) fn set(&self, ready: Ready) {
        self.has_opened.fetch_or(ready == Ready::Serving, Ordering::AcqRel);
        self.present.fetch_max(ready as u8, Ordering::AcqRel);
    }

    /// Was everything served at some time? A process that stops before that opens nothing on its way out.
    pub(crate) fn has_opened(&self) -> bool {
        self.has_opened.load(Ordering::Acquire)
    }
}
