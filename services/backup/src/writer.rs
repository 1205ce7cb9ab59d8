//! Writing an archive, into a file or into the store of the evidence.
//!
//! The size of a member stands before it, and nobody knows how many rows a table has: so a table is several members, each of whole rows
//! that were gathered and compressed in memory. Nothing else is held.

use std::fs::File;
use std::io::Write as _;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use firemode_storage::StorageError;
use firemode_storage::evidence_store::{StoredBytes, Upload};
use futures_util::{Stream, StreamExt as _};
use sha2::{Digest as _, Sha256};
use tar::{EntryType, Header};
use time::OffsetDateTime;
use zstd::stream::write::Encoder;

use super::BackupError;
use super::archive::{Hashes, MANIFEST, SUMS};
use super::manifest::Manifest;

/// A tar archive consists of blocks, and ends with two empty ones.
const BLOCK_BYTES: usize = 512;

/// Bytes that are given to the file or the store at once.
const WRITE_BYTES: usize = 1 << 20;

/// Rows of a table that are compressed together, in bytes.
const ROWS_BYTES: usize = 16 << 20;

/// Beyond the first few levels rows take far more time and hardly less room.
const LEVEL: i32 = 3;

/// Where an archive goes.
pub(super) enum Sink {
    /// A file of this machine.
    File(File),
    /// The evidence's store.
    Store(Box<Upload>),
}

/// What became of a member.
pub(super) struct Written {
    pub(super) sha256: [u8; 32],
    pub(super) bytes: u64,
}

/// What became of an archive.
pub(super) struct Finished {
    /// Bytes of all members.
    pub(super) bytes: u64,
    /// What the store has now, where it went there.
    pub(super) stored: Option<StoredBytes>,
}

/// An archive that is being written.
pub(super) struct Writer {
    sink: Sink,
    /// What waits to be written.
    gathered: Vec<u8>,
    hashes: Hashes,
    now: u64,
    bytes: u64,
}

impl Writer {
    pub(super) fn new(sink: Sink, now: OffsetDateTime) -> Self {
        let now = now.unix_timestamp().try_into().unwrap_or_default();
        Self { sink, gathered: Vec::new(), hashes: Hashes::new(), now, bytes: 0 }
    }

    /// Adds the manifest; it comes first.
    pub(super) async fn manifest(&mut self, manifest: &Manifest) -> Result<(), BackupError> {
        let json = serde_json::to_vec_pretty(manifest).map_err(|error| BackupError::Write(error.into()))?;
        self.whole(MANIFEST, &json).await
    }

    /// Adds a small member.
    pub(super) async fn whole(&mut self, path: &str, content: &[u8]) -> Result<(), BackupError> {
        self.begin(path, content.len() as u64).await?;
        self.put(content).await?;
        let written = Written { sha256: Sha256::digest(content).into(), bytes: content.len() as u64 };
        self.end(path, &written).await
    }

    /// Adds a member of an announced size as its bytes come. Where there are more or fewer of them, the archive is good for nothing.
    pub(super) async fn announced(
        &mut self,
        path: &str,
        bytes: u64,
        content: impl Stream<Item = Result<Bytes, BackupError>>,
    ) -> Result<Written, BackupError> {
        self.begin(path, bytes).await?;
        let (mut hasher, mut bytes, mut content) = (Sha256::new(), 0, std::pin::pin!(content));
        while let Some(chunk) = content.next().await {
            let chunk = chunk?;
            hasher.update(&chunk);
            bytes += chunk.len() as u64;
            self.put(&chunk).await?;
        }
        let written = Written { sha256: hasher.finalize().into(), bytes };
        self.end(path, &written).await?;
        Ok(written)
    }

    /// Adds the rows of a table, which come as pieces of whole rows, as `<path>.<number>.copy.zst`.
    pub(super) async fn rows(
        &mut self,
        path: &str,
        rows: impl Stream<Item = Result<Bytes, StorageError>>,
    ) -> Result<(), BackupError> {
        // It is asked again after its end, where rows end before a part is full.
        let mut rows = std::pin::pin!(rows.fuse());
        for number in 0.. {
            let mut part = Encoder::new(Vec::new(), LEVEL).map_err(BackupError::Write)?;
            let mut bytes = 0;
            while bytes < ROWS_BYTES
                && let Some(piece) = rows.next().await
            {
                let piece = piece?;
                bytes += piece.len();
                part.write_all(&piece).map_err(BackupError::Write)?;
            }
            if bytes == 0 {
                break;
            }
            let part = part.finish().map_err(BackupError::Write)?;
            self.whole(&format!("{path}.{number:05}.copy.zst"), &part).await?;
        }
        Ok(())
    }

    /// Adds the hashes and makes all of it durable.
    pub(super) async fn finish(mut self) -> Result<Finished, BackupError> {
        let lines: String = self.hashes.iter().map(|(path, hash)| format!("{hash}  {path}\n")).collect();
        self.whole(SUMS, lines.as_bytes()).await?;
        self.put(&[0; 2 * BLOCK_BYTES]).await?;
        self.write().await?;
        let stored = match self.sink {
            Sink::File(file) => file.sync_all().map(|()| None).map_err(BackupError::Write)?,
            Sink::Store(upload) => Some((*upload).complete().await?),
        };
        Ok(Finished { bytes: self.bytes, stored })
    }

    /// Gives it up.
    pub(super) async fn abort(self) {
        if let Sink::Store(upload) = self.sink
            && let Err(error) = upload.abort().await
        {
            tracing::warn!(%error, "a part of a backup that was given up is left in the store");
        }
    }

    async fn begin(&mut self, path: &str, bytes: u64) -> Result<(), BackupError> {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o600);
        header.set_mtime(self.now);
        header.set_path(path).map_err(BackupError::Write)?;
        header.set_size(bytes);
        header.set_cksum();
        self.put(header.as_bytes()).await
    }

    async fn end(&mut self, path: &str, written: &Written) -> Result<(), BackupError> {
        let over = usize::try_from(written.bytes % BLOCK_BYTES as u64).unwrap_or_default();
        if over > 0 {
            self.put(&[0; BLOCK_BYTES][over..]).await?;
        }
        self.bytes += written.bytes;
        self.hashes.insert(path.to_owned(), HEXLOWER.encode(&written.sha256));
        Ok(())
    }

    async fn put(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() >= WRITE_BYTES { self.write().await } else { Ok(()) }
    }

    async fn write(&mut self) -> Result<(), BackupError> {
        match &mut self.sink {
            Sink::File(file) => file.write_all(&self.gathered).map_err(BackupError::Write)?,
            Sink::Store(upload) => upload.write(&self.gathered).await?,
        }
        self.gathered.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_disk_is_named_where_a_backup_is_written() {
        let full = File::options().write(true).open("/dev/full").expect("it is there");
        let mut writer = Writer::new(Sink::File(full), OffsetDateTime::UNIX_EPOCH);
        writer.whole("a", &[0; 1 << 16]).await.expect("it is gathered");
        let error = writer.finish().await.err().expect("there is no room");
        assert!(error.to_string().starts_with("the disk that the backup is written to is full"), "{error}");
    }
}
