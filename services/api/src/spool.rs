//! Answers that are compressed before the first byte is sent, because what they take on the wire decides whether they are sent.
//!
//! What is serialised goes through the compressor piece by piece into a spool. The first part of it stays in memory, and the
//! rest goes to a file without a name. The system removes that file with its last descriptor, also when the process dies.

use std::io::{self, BufWriter, Read as _, Seek as _, Write};
use std::path::Path;

use actix_web::http::header::{AcceptEncoding, CONTENT_LENGTH, ContentEncoding, Encoding, Header as _};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use brotli::CompressorWriter;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::Stream;
use futures_util::stream::try_unfold;
use serde::Serialize;
use tempfile::SpooledTempFile;

/// What a spool keeps in memory.
const MEMORY_BYTES_MAX: usize = 1 << 20;

/// What is read from a spool, and handed to a compressor, at once.
const PIECE_BYTES: usize = 64 << 10;

/// Brotli's quality and window (as a power of two), and zstd's level: fast ones, since clients wait.
const BROTLI_QUALITY: u32 = 3;
const BROTLI_WINDOW_LOG: u32 = 22;
const ZSTD_LEVEL: i32 = 3;

/// An answer as it goes on the wire.
#[derive(Debug)]
pub(crate) struct Spool {
    content: SpooledTempFile,
    /// What was written, kept or not.
    bytes: u64,
    bytes_max: u64,
}

/// The encoding that a client likes best of those that there are.
pub(crate) fn encoding_for(request: &HttpRequest) -> ContentEncoding {
    let Ok(accepted) = AcceptEncoding::parse(request) else { return ContentEncoding::Identity };
    let offered = [Encoding::brotli(), Encoding::zstd(), Encoding::gzip(), Encoding::identity()];
    match accepted.negotiate(offered.iter()) {
        Some(Encoding::Known(encoding)) if !accepted.is_empty() => encoding,
        _ => ContentEncoding::Identity,
    }
}

impl Spool {
    /// Serialises a value as JSON into a spool that keeps up to `bytes_max`; beyond that it only counts. May take long.
    ///
    /// # Errors
    /// The folder takes no file, or the disk is full.
    pub(crate) fn of_json(
        value: &impl Serialize,
        encoding: ContentEncoding,
        bytes_max: u64,
        folder: &Path,
    ) -> io::Result<Self> {
        let content = tempfile::spooled_tempfile_in(MEMORY_BYTES_MAX, folder);
        let spool = Self { content, bytes: 0, bytes_max };
        let mut spool = match encoding {
            ContentEncoding::Gzip => {
                write_json(value, GzEncoder::new(spool, Compression::fast()))?.finish()?
            }
            ContentEncoding::Brotli => {
                let encoder = CompressorWriter::new(spool, PIECE_BYTES, BROTLI_QUALITY, BROTLI_WINDOW_LOG);
                write_json(value, encoder)?.into_inner()
            }
            ContentEncoding::Zstd => write_json(value, zstd::Encoder::new(spool, ZSTD_LEVEL)?)?.finish()?,
            _ => write_json(value, spool)?,
        };
        spool.content.rewind()?;
        Ok(spool)
    }

    /// How many bytes the answer takes on the wire.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// An answer with it.
    pub(crate) fn respond(self, mut response: HttpResponseBuilder) -> HttpResponse {
        let bytes = self.bytes;
        response
            .insert_header((CONTENT_LENGTH, bytes))
            .content_type("application/json")
            .no_chunking(bytes)
            .streaming(self.into_stream())
    }

    /// The answer, piece by piece, for as long as somebody takes it.
    fn into_stream(self) -> impl Stream<Item = io::Result<Bytes>> {
        try_unfold(self, |mut spool| async {
            let read = tokio::task::spawn_blocking(move || spool.next_piece().map(|piece| (piece, spool)));
            let (piece, spool) = read.await.map_err(io::Error::other)??;
            Ok((!piece.is_empty()).then_some((piece, spool)))
        })
    }

    fn next_piece(&mut self) -> io::Result<Bytes> {
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        (&mut self.content).take(PIECE_BYTES as u64).read_to_end(&mut piece)?;
        Ok(piece.into())
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes += bytes.len() as u64;
        if self.bytes <= self.bytes_max {
            self.content.write_all(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Serialisers write a few bytes at a time; compressors work faster on more.
fn write_json<W: Write>(value: &impl Serialize, encoder: W) -> io::Result<W> {
    let mut writer = BufWriter::with_capacity(PIECE_BYTES, encoder);
    serde_json::to_writer(&mut writer, value)?;
    writer.into_inner().map_err(io::IntoInnerError::into_error)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use futures_util::TryStreamExt as _;

    use super::*;

    fn sent(value: &impl Serialize, encoding: ContentEncoding, bytes_max: u64) -> (u64, Vec<u8>) {
        let spool =
            Spool::of_json(value, encoding, bytes_max, &std::env::temp_dir()).expect("it can be written");
        let bytes = spool.bytes();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime can be made");
        let pieces: Vec<Bytes> = runtime.block_on(spool.into_stream().try_collect()).expect("it can be read");
        (bytes, pieces.concat())
    }

    #[test]
    fn what_is_sent_is_what_was_written_in_memory_and_on_disk() {
        for repeats in [0, 10, 400_000] {
            let value = "beam ".repeat(repeats);
            let plain = serde_json::to_vec(&value).expect("it is JSON");
            let (bytes, identity) = sent(&value, ContentEncoding::Identity, u64::MAX);
            assert!(identity == plain && bytes == plain.len() as u64);
            let (_, zstd) = sent(&value, ContentEncoding::Zstd, u64::MAX);
            assert!(zstd::decode_all(zstd.as_slice()).expect("it is zstd") == plain);
            let (bytes, gzip) = sent(&value, ContentEncoding::Gzip, u64::MAX);
            let mut read = Vec::new();
            flate2::read::GzDecoder::new(gzip.as_slice()).read_to_end(&mut read).expect("it is gzip");
            assert!(read == plain && bytes == gzip.len() as u64);
            let (_, brotli) = sent(&value, ContentEncoding::Brotli, u64::MAX);
            let mut read = Vec::new();
            brotli::Decompressor::new(brotli.as_slice(), 4096).read_to_end(&mut read).expect("it is Brotli");
            assert!(read == plain);
        }
    }

    #[test]
    fn beyond_its_bound_a_spool_only_counts() {
        let value = "x".repeat(3 << 20);
        let (bytes, kept) = sent(&value, ContentEncoding::Identity, 1000);
        assert_eq!(bytes, (3 << 20) + 2);
        assert!(kept.len() <= 1000);
        assert!(sent(&value, ContentEncoding::Gzip, 1 << 20).0 < 1 << 20, "the bound is for what is sent");
    }

    #[test]
    fn the_client_says_which_encoding_it_gets() {
        for (accepted, encoding) in [
            (None, ContentEncoding::Identity),
            (Some(""), ContentEncoding::Identity),
            (Some("gzip"), ContentEncoding::Gzip),
            (Some("br"), ContentEncoding::Brotli),
            (Some("zstd, deflate"), ContentEncoding::Zstd),
            (Some("gzip;q=0.5, zstd;q=0.9"), ContentEncoding::Zstd),
            (Some("compress"), ContentEncoding::Identity),
            (Some("identity"), ContentEncoding::Identity),
        ] {
            let request = TestRequest::default();
            let request = match accepted {
                Some(accepted) => request.insert_header(("accept-encoding", accepted)),
                None => request,
            };
            assert_eq!(encoding_for(&request.to_http_request()), encoding, "{accepted:?}");
        }
    }
}
