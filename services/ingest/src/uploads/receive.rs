//! The bytes of one chunk.

use actix_web::http::StatusCode;
use actix_web::web;
use firemode_storage::Transaction;
use firemode_storage::evidence_store::{StoredBytes, Upload};
use firemode_storage::evidence_uploads::{self, ResumableUpload};
use firemode_web::tus::CHECKSUM_MISMATCH;
use firemode_web::{Problem, catalogue};
use futures_util::StreamExt as _;

use super::create::check_length;
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

/// What a client says of a chunk.
pub(super) struct Said {
    /// Where it belongs.
    pub(super) offset: u64,
    /// How long the file is, where that becomes known with it.
    pub(super) length: Option<u64>,
    pub(super) checksum: Option<Checksum>,
}

/// Takes a chunk: all of it, or what arrives before the connection breaks. Gives the upload as it is then.
pub(super) async fn chunk(
    state: &IngestState,
    principal: &Principal,
    upload: ResumableUpload,
    said: Said,
    payload: web::Payload,
) -> Result<ResumableUpload, Problem> {
    let Said { offset, length, checksum } = said;
    if offset != upload.offset_bytes {
        return Err(conflict(upload.offset_bytes));
    }
    let upload = with_length(state, principal, upload, length).await?;
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

/// Notes the length of an upload, where it becomes known with this chunk.
async fn with_length(
    state: &IngestState,
    principal: &Principal,
    mut upload: ResumableUpload,
    length: Option<u64>,
) -> Result<ResumableUpload, Problem> {
    let Some(length) = length else { return Ok(upload) };
    if let Some(known) = upload.length_bytes {
        let why = format!("is {length}, and the upload has {known} bytes");
        return if known == length { Ok(upload) } else { Err(Problem::invalid_field("Upload-Length", why)) };
    }
    check_length(state, length)?;
    if length < upload.offset_bytes {
        let why = format!("is {length}, and {} bytes are there already", upload.offset_bytes);
        return Err(Problem::invalid_field("Upload-Length", why));
    }
    upload.length_bytes = Some(length);
    // One that is whole by that is evidence, or nothing: its length is noted when it becomes that.
    if upload.is_partial() || !upload.is_complete() {
        let owner = (principal.organisation_id, principal.user_id);
        let tx = state.database.tenant(principal.organisation_id).transaction().await?;
        let now =
            evidence_uploads::find_to_change(&tx, owner, upload.id).await?.ok_or_else(no_such_upload)?;
        if now.offset_bytes != upload.offset_bytes || now.length_bytes.is_some_and(|known| known != length) {
            return Err(conflict(now.offset_bytes));
        }
        evidence_uploads::set_length(&tx, principal.organisation_id, upload.id, length).await?;
        tx.commit().await?;
    }
    Ok(upload)
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
        let bytes_max = self.upload.length_bytes.unwrap_or(self.state.settings.ingest.evidence_bytes_max);
        if self.end() + bytes.len() as u64 > bytes_max {
            let detail = format!("The upload has {bytes_max} bytes at most, and this is more.");
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
        if is_part && !self.makes_evidence() {
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

    /// Does the upload become evidence with what has arrived?
    fn makes_evidence(&self) -> bool {
        !self.upload.is_partial() && self.upload.length_bytes == Some(self.end())
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
        let makes_evidence = self.makes_evidence();
        self.complete_current().await?;
        if makes_evidence {
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
