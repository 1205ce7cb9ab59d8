//! Evidence in folders and object stores.

use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use firemode_runtime::settings::{EvidencePlace, ObjectPlace};
use object_store::aws::AmazonS3Builder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt as _, RetryConfig};

use super::sidecar::Sidecar;
use super::silence::Watching;
use crate::StorageError;

/// A request that fails is tried again for so long and so often: not where it has missed its deadline, see [`Watching`].
const RETRY_TIMEOUT: Duration = Duration::from_secs(5);
const RETRIES_MAX: usize = 3;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection that was not used for so long is not used again: a network that forgets connections does not say so.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);

/// Beyond the deadlines of [`Watching`]: no answer of a store pauses for longer.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// A folder's parts may be small; other stores want at least 5 MiB in every part but the last.
const FOLDER_PART_BYTES: usize = 1 << 20;
const REMOTE_PART_BYTES: usize = 5 << 20;

/// Stores take 10,000 parts of an object: of these, 156 GiB.
const LARGE_PART_BYTES: usize = 16 << 20;

/// Files, or objects.
#[derive(Debug, Clone)]
pub(super) struct Objects {
    pub(super) store: Arc<dyn ObjectStore>,
    /// What one upload collects in memory before it sends it.
    pub(super) part_bytes: usize,
    folder: Option<PathBuf>,
    watching: Watching,
}

impl Objects {
    /// A folder, made where it is missing.
    pub(super) fn folder(folder: PathBuf) -> Result<Self, StorageError> {
        let io = |source| object_store::Error::Generic { store: "file", source: Box::new(source) };
        std::fs::create_dir_all(&folder).map_err(io)?;
        // Without fsync an acknowledged upload could be gone after a power cut.
        let store = LocalFileSystem::new_with_prefix(&folder)?.with_fsync(true).with_automatic_cleanup(true);
        Ok(Self {
            store: Arc::new(store),
            part_bytes: FOLDER_PART_BYTES,
            folder: Some(folder),
            watching: Watching::default(),
        })
    }

    /// A store that is no folder of this machine, if the place is in one.
    pub(super) fn elsewhere(place: &EvidencePlace) -> Result<Option<Self>, StorageError> {
        Ok(match place {
            EvidencePlace::Folder(_) | EvidencePlace::Database => None,
            EvidencePlace::S3 { objects, endpoint, region } => {
                Some(Self::s3(objects, endpoint.as_deref(), region.as_deref())?)
            }
            EvidencePlace::Gcs { objects, endpoint, is_replit } => {
                Some(Self::gcs(objects, endpoint.as_deref(), *is_replit)?)
            }
        })
    }

    /// A bucket that speaks S3; keys and secrets come from the usual variables (`AWS_ACCESS_KEY_ID` and so on).
    fn s3(place: &ObjectPlace, endpoint: Option<&str>, region: Option<&str>) -> Result<Self, StorageError> {
        let watching = Watching::default();
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(&place.bucket)
            .with_client_options(client(endpoint))
            .with_http_connector(watching.clone())
            .with_retry(retry());
        if let Some(endpoint) = endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        if let Some(region) = region {
            builder = builder.with_region(region);
        }
        Ok(Self::remote(builder.build()?, place, watching))
    }

    /// A bucket of Google's; credentials come from the usual variables (`GOOGLE_APPLICATION_CREDENTIALS` and so on), or from
    /// Replit's sidecar.
    fn gcs(place: &ObjectPlace, endpoint: Option<&str>, is_replit: bool) -> Result<Self, StorageError> {
        let watching = Watching::default();
        let mut builder = GoogleCloudStorageBuilder::from_env()
            .with_bucket_name(&place.bucket)
            .with_client_options(client(endpoint))
            .with_http_connector(watching.clone())
            .with_retry(retry());
        if let Some(endpoint) = endpoint {
            builder = builder.with_base_url(endpoint);
        }
        if is_replit {
            builder = builder.with_credentials(Arc::new(Sidecar::of_replit()?));
        }
        Ok(Self::remote(builder.build()?, place, watching))
    }

    fn remote(store: impl ObjectStore, place: &ObjectPlace, watching: Watching) -> Self {
        let store: Arc<dyn ObjectStore> = match place.prefix.as_str() {
            "" => Arc::new(store),
            prefix => Arc::new(PrefixStore::new(store, prefix)),
        };
        Self { store, part_bytes: REMOTE_PART_BYTES, folder: None, watching }
    }

    /// Does the store not answer, as its log has said? A folder always does.
    pub(super) fn is_silent(&self) -> bool {
        self.watching.is_silent()
    }

    /// The same store for objects that may be larger than any evidence.
    pub(super) fn for_large(&self) -> Self {
        Self { part_bytes: LARGE_PART_BYTES, ..self.clone() }
    }

    /// Removes an object, and what a crash left of it; one that is not there is removed already.
    pub(super) async fn remove(&self, key: &str) -> Result<(), StorageError> {
        match self.store.delete(&Path::from(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        if let Some(folder) = &self.folder {
            remove_drafts(&folder.join(key)).await;
        }
        Ok(())
    }
}

/// A file is written under its name with `#` and a number, and gets its name when it is complete.
async fn remove_drafts(path: &FilePath) {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return };
    let beginning = format!("{}#", name.to_string_lossy());
    let Ok(mut entries) = tokio::fs::read_dir(folder).await else { return };
    while let Ok(Some(entry)) = entries.next_entry().await {
        if entry.file_name().to_string_lossy().starts_with(&beginning)
            && let Err(error) = tokio::fs::remove_file(entry.path()).await
        {
            tracing::warn!(%error, "a part of a broken upload could not be removed");
        }
    }
}

/// Without TLS only where the endpoint says so.
fn client(endpoint: Option<&str>) -> ClientOptions {
    let is_http = endpoint.is_some_and(|url| url.starts_with("http://"));
    ClientOptions::new()
        .with_timeout_disabled()
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_read_timeout(READ_TIMEOUT)
        .with_pool_idle_timeout(IDLE_TIMEOUT)
        .with_allow_http(is_http)
}

fn retry() -> RetryConfig {
    RetryConfig { max_retries: RETRIES_MAX, retry_timeout: RETRY_TIMEOUT, ..RetryConfig::default() }
}
