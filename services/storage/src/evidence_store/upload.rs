//! Bytes on their way into the store.

use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStoreExt as _, PutPayload};
use sha2::{Digest as _, Sha256};

use super::StoredBytes;
use super::objects::Objects;
use super::rows::{CHUNK_BYTES, Chunks};
use crate::StorageError;

/// An upload on its way; hashed as it goes. Dropped without [`Upload::complete`], it leaves nothing that counts.
pub struct Upload {
    key: String,
    sink: Sink,
    /// What is collected before it goes to the store.
    part: Vec<u8>,
    part_bytes: usize,
    hasher: Sha256,
    size_bytes: u64,
}

enum Sink {
    /// In parts, where there is more than one.
    Objects(Objects, Option<Box<dyn MultipartUpload>>),
    /// With the number of the next chunk.
    Rows(Chunks, usize),
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upload")
            .field("key", &self.key)
            .field("size_bytes", &self.size_bytes)
            .finish_non_exhaustive()
    }
}

impl Upload {
    pub(super) fn to_objects(objects: Objects, key: String) -> Self {
        let part_bytes = objects.part_bytes;
        Self::new(key, Sink::Objects(objects, None), part_bytes)
    }

    pub(super) fn to_rows(chunks: Chunks, key: String) -> Self {
        Self::new(key, Sink::Rows(chunks, 0), CHUNK_BYTES)
    }

    fn new(key: String, sink: Sink, part_bytes: usize) -> Self {
        Self { key, sink, part: Vec::new(), part_bytes, hasher: Sha256::new(), size_bytes: 0 }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// The store does not take them.
    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<(), StorageError> {
        self.hasher.update(bytes);
        self.size_bytes += bytes.len() as u64;
        // Every part but the last is of one size, which some stores want and the database's chunks rely on.
        while self.part.len() + bytes.len() >= self.part_bytes {
            let (fitting, rest) = bytes.split_at(self.part_bytes - self.part.len());
            self.part.extend_from_slice(fitting);
            self.send_part().await?;
            bytes = rest;
        }
        self.part.extend_from_slice(bytes);
        Ok(())
    }

    /// Where the bytes will be.
    pub fn key(&self) -> &str {
        &self.key
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
    /// The store does not take it.
    pub async fn complete(mut self) -> Result<StoredBytes, StorageError> {
        if let Sink::Objects(objects, None) = &self.sink {
            // One request instead of three.
            let part = std::mem::take(&mut self.part);
            objects.store.put(&Path::from(self.key.as_str()), PutPayload::from(part)).await?;
        } else {
            if !self.part.is_empty() {
                self.send_part().await?;
            }
            if let Sink::Objects(_, Some(upload)) = &mut self.sink {
                upload.complete().await?;
            }
        }
        Ok(StoredBytes { key: self.key, sha256: self.hasher.finalize().into(), size_bytes: self.size_bytes })
    }

    /// Gives the upload up and removes what the store has of it.
    ///
    /// # Errors
    /// The store does not answer; what is left has no name that anything refers to.
    pub async fn abort(self) -> Result<(), StorageError> {
        match self.sink {
            Sink::Objects(_, Some(mut upload)) => Ok(upload.abort().await?),
            Sink::Rows(chunks, 1..) => chunks.remove().await,
            Sink::Objects(_, None) | Sink::Rows(_, 0) => Ok(()),
        }
    }

    async fn send_part(&mut self) -> Result<(), StorageError> {
        let part = std::mem::take(&mut self.part);
        match &mut self.sink {
            Sink::Objects(objects, upload) => {
                if upload.is_none() {
                    *upload = Some(objects.store.put_multipart(&Path::from(self.key.as_str())).await?);
                }
                if let Some(upload) = upload {
                    upload.put_part(PutPayload::from(part)).await?;
                }
            }
            Sink::Rows(chunks, number) => {
                chunks.put(*number, &part).await?;
                *number += 1;
                // The memory is good for the next one too.
                self.part = part;
                self.part.clear();
            }
        }
        Ok(())
    }
}
