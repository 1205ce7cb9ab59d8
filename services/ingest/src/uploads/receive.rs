//! The bytes of one chunk.

use actix_web::http::StatusCode;
use actix_web::web;
use firemode_storage::Transaction;
use firemode_storage::evidence_store::{StoredBytes, Upload};
use firemode_storage::evidence_uploads::{self, ResumableUpload};
use firemode_web::tus::CHECKSUM_MISMATCH;
use firemode_web::{Problem, catalogue};
use futures_util::StreamExt as _;

use super::headers::Checksum;
use super::{conflict, finish, no_such_upload};
use crate::evidence::incoming::{begin, claim, discard, make_room, remove};
use crate::evidence::sniff;
use crate::principal::Principal;
use crate::state::IngestState;

/// A chunk without a checksum becomes durable in parts of about this size, so that a break costs no more.
const PART_BYTES: u64 = 8 << 20;

/// Parts that one upload may have.
const PARTS_MAX: i32 = 10_000;

/// Takes a chunk: all of it, or what arrives before the connection breaks. Gives the upload as it is then.
pub(super) async fn chunk(
    state: &IngestState,
    principal: &Principal,
    upload: ResumableUpload,
    offset: u64,
    checksum: Option<Checksum>,
    payload: web::Payload,
) -> Result<ResumableUpload, Problem> {
    if offset != upload.offset_bytes {
        return Err(conflict(upload.offset_bytes));
    }
    if upload.answer.is_some() {
        return Ok(upload);
    }
    if upload.part_count >= PARTS_MAX {
        let detail = format!("The upload has {PARTS_MAX} parts. Begin a new one and send larger chunks.");
        return Err(Problem::of(catalogue::PARTS, detail));
    }
    make_room(state, principal).await?;
    let mut chunk =
        Chunk { state, principal, upload, checksum, current: None, whole: Vec::new(), head: Vec::new() };
    match chunk.read(payload).await {
        Ok(()) => chunk.settle().await,
        Err(problem) => {
            chunk.give_up().await;
            Err(problem)
        }
    }
}

/// A chunk on its way.
struct Chunk<'a> {
    state: &'a IngestState,
    principal: &'a Principal,
    /// As the database has it.
    upload: ResumableUpload,
    checksum: Option<Checksum>,
    /// What is being written.
    current: Option<Upload>,
    /// What is in the store, and not part of the upload yet.
    whole: Vec<StoredBytes>,
    /// The first bytes of the file.
    head: Vec<u8>,
}

impl Chunk<'_> {
    /// Reads to the end, or as far as it comes: only with a checksum a chunk counts as a whole.
    async fn read(&mut self, mut payload: web::Payload) -> Result<(), Problem> {
        while let Some(bytes) = payload.next().await {
            match bytes {
                Ok(bytes) => self.take(&bytes).await?,
                Err(error) if self.checksum.is_some() => {
                    return Err(Problem::bad_request("The chunk broke off before its end.").caused_by(error));
                }
                Err(error) => {
                    tracing::debug!(%error, "a chunk broke off; what arrived of it counts");
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    async fn take(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        if self.end() + bytes.len() as u64 > self.upload.length_bytes {
            let detail = format!("The upload has {} bytes, and this is more.", self.upload.length_bytes);
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
        }
        if let Some(checksum) = &mut self.checksum {
            checksum.update(bytes);
        }
        if self.upload.part_count == 0 {
            let missing = sniff::HEAD_BYTES.saturating_sub(self.head.len());
            self.head.extend(bytes.iter().take(missing));
        }
        let mut current = match self.current.take() {
            Some(current) => current,
            None => begin(self.state, self.principal.organisation_id).await?,
        };
        let written = current.write(bytes).await;
        let is_part = current.size_bytes() >= PART_BYTES;
        self.current = Some(current);
        written?;
        // The last part becomes durable together with the evidence.
        if is_part && self.end() < self.upload.length_bytes {
            self.complete_current().await?;
            if self.checksum.is_none() {
                self.append().await?;
            }
        }
        Ok(())
    }

    /// How far the file would be with everything that has arrived.
    fn end(&self) -> u64 {
        let whole: u64 = self.whole.iter().map(|part| part.size_bytes).sum();
        self.upload.offset_bytes + whole + self.current.as_ref().map_or(0, Upload::size_bytes)
    }

    async fn complete_current(&mut self) -> Result<(), Problem> {
        if let Some(current) = self.current.take() {
            self.whole.push(current.complete().await?);
        }
        Ok(())
    }

    /// Makes what has arrived a part of the upload, or the upload a piece of evidence.
    async fn settle(mut self) -> Result<ResumableUpload, Problem> {
        if self.checksum.take().is_some_and(|checksum| !checksum.matches()) {
            self.give_up().await;
            let status = StatusCode::from_u16(CHECKSUM_MISMATCH).map_err(Problem::internal)?;
            return Err(Problem::new(status, "The chunk does not have the checksum that was sent with it."));
        }
        let is_last = self.end() == self.upload.length_bytes;
        self.complete_current().await?;
        if is_last {
            let (whole, head) = (std::mem::take(&mut self.whole), std::mem::take(&mut self.head));
            return finish::upload(self.state, self.principal, self.upload, whole, head).await;
        }
        if !self.whole.is_empty()
            && let Err(problem) = self.append().await
        {
            self.give_up().await;
            return Err(problem);
        }
        Ok(self.upload)
    }

    /// Makes what is in the store part of the upload, in one transaction.
    async fn append(&mut self) -> Result<(), Problem> {
        let tx = self.state.database.tenant(self.principal.organisation_id).transaction().await?;
        let after = self.append_in(&tx).await?;
        // Whether this commits or not: if it does not, nobody refers to the bytes, and the sweeper knows them.
        self.whole.clear();
        tx.commit().await?;
        self.upload = after;
        Ok(())
    }

    async fn append_in(&self, tx: &Transaction) -> Result<ResumableUpload, Problem> {
        let (organisation_id, id) = (self.principal.organisation_id, self.upload.id);
        let owner = (organisation_id, self.principal.user_id);
        self.principal.check_token(tx).await?;
        let mut upload = evidence_uploads::find_to_change(tx, owner, id).await?.ok_or_else(no_such_upload)?;
        if upload.offset_bytes != self.upload.offset_bytes {
            return Err(conflict(upload.offset_bytes));
        }
        for part in &self.whole {
            claim(tx, organisation_id, &part.key).await?;
            evidence_uploads::append(tx, organisation_id, id, part).await?;
            upload.offset_bytes += part.size_bytes;
            upload.part_count += 1;
        }
        Ok(upload)
    }

    async fn give_up(&mut self) {
        if let Some(current) = self.current.take() {
            discard(self.state, self.principal.organisation_id, current).await;
        }
        let keys: Vec<String> = self.whole.drain(..).map(|part| part.key).collect();
        remove(self.state, self.principal.organisation_id, &keys).await;
    }
}
