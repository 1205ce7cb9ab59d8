//! The bytes of evidence.

use std::path::PathBuf;
use std::sync::Arc;

use firemode_runtime::settings::Settings;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, MultipartUpload, ObjectStore, ObjectStoreExt as _, PutPayload};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::StorageError;

/// Bytes that are collected before they go to the store; what one upload holds in memory.
const PART_BYTES: usize = 1 << 20;

/// Where evidence is kept.
#[derive(Debug, Clone)]
pub struct EvidenceStore {
    store: Arc<dyn ObjectStore>,
}

/// An upload on its way; hashed as it goes. Dropped without [`Upload::complete`], it leaves nothing that counts.
pub struct Upload {
    key: String,
    upload: Box<dyn MultipartUpload>,
    part: Vec<u8>,
    hasher: Sha256,
    size_bytes: u64,
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upload").field("key", &self.key).field("size_bytes", &self.size_bytes).finish()
    }
}

/// Bytes that are in the store for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBytes {
    /// Where they are.
    pub key: String,
    /// SHA-256 of them.
    pub sha256: [u8; 32],
    /// How many.
    pub size_bytes: u64,
}

impl EvidenceStore {
    /// Opens the store that the settings name, making its folder where it is one.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn open(settings: &Settings) -> Result<Self, StorageError> {
        let folder = match settings.evidence.url.strip_prefix("file://") {
            Some(path) => PathBuf::from(path),
            None => settings.data_dir.join("evidence"),
        };
        let io = |source| object_store::Error::Generic { store: "file", source: Box::new(source) };
        std::fs::create_dir_all(&folder).map_err(io)?;
        // Without fsync an acknowledged upload could be gone after a power cut.
        let store = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true).with_automatic_cleanup(true);
        Ok(Self { store: Arc::new(store) })
    }

    /// Begins an upload for a tenant, under a key that nothing else has.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn begin(&self, organisation_id: Uuid) -> Result<Upload, StorageError> {
        self.begin_at(format!("{organisation_id}/{}", Uuid::now_v7())).await
    }

    /// Begins an upload under the key that restored rows know it by.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn begin_at(&self, key: String) -> Result<Upload, StorageError> {
        let upload = self.store.put_multipart(&Path::from(key.as_str())).await?;
        Ok(Upload { key, upload, part: Vec::new(), hasher: Sha256::new(), size_bytes: 0 })
    }

    /// Is there nothing in it?
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn is_empty(&self) -> Result<bool, StorageError> {
        Ok(self.store.list(None).try_next().await?.is_none())
    }

    /// Removes bytes that no row refers to.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn remove(&self, key: &str) -> Result<(), StorageError> {
        Ok(self.store.delete(&Path::from(key)).await?)
    }

    /// Streams bytes, all of them or those of a range (end exclusive).
    ///
    /// # Errors
    /// They are not there, or the store does not answer.
    pub async fn read(
        &self,
        key: &str,
        range: Option<std::ops::Range<u64>>,
    ) -> Result<BoxStream<'static, Result<bytes::Bytes, StorageError>>, StorageError> {
        let options = GetOptions { range: range.map(GetRange::Bounded), ..GetOptions::default() };
        let result = self.store.get_opts(&Path::from(key), options).await?;
        Ok(result.into_stream().map_err(StorageError::from).boxed())
    }

    /// Hashes the stored bytes anew.
    ///
    /// # Errors
    /// They are not there, or the store does not answer.
    pub async fn hash(&self, key: &str) -> Result<StoredBytes, StorageError> {
        let mut stream = self.read(key, None).await?;
        let (mut hasher, mut size_bytes) = (Sha256::new(), 0);
        while let Some(chunk) = stream.try_next().await? {
            hasher.update(&chunk);
            size_bytes += chunk.len() as u64;
        }
        Ok(StoredBytes { key: key.to_owned(), sha256: hasher.finalize().into(), size_bytes })
    }
}

impl Upload {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// The store does not take them.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        self.hasher.update(bytes);
        self.size_bytes += bytes.len() as u64;
        self.part.extend_from_slice(bytes);
        if self.part.len() >= PART_BYTES {
            self.send_part().await?;
        }
        Ok(())
    }

    /// Bytes taken so far.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// SHA-256 of the bytes taken so far.
    pub fn sha256(&self) -> [u8; 32] {
        self.hasher.clone().finalize().into()
    }

    /// Makes the upload durable.
    ///
    /// # Errors
    /// The store does not take it; nothing is left.
    pub async fn complete(mut self) -> Result<StoredBytes, StorageError> {
        if !self.part.is_empty() {
            self.send_part().await?;
        }
        self.upload.complete().await?;
        Ok(StoredBytes { key: self.key, sha256: self.hasher.finalize().into(), size_bytes: self.size_bytes })
    }

    /// Gives the upload up and removes what the store has of it.
    ///
    /// # Errors
    /// The store does not answer; what is left has no name that anything refers to.
    pub async fn abort(mut self) -> Result<(), StorageError> {
        Ok(self.upload.abort().await?)
    }

    async fn send_part(&mut self) -> Result<(), StorageError> {
        let part = std::mem::take(&mut self.part);
        Ok(self.upload.put_part(PutPayload::from(part)).await?)
    }
}
