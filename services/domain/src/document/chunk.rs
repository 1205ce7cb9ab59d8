//! Chunks of Automerge's binary format, read with bounds before the library sees them.
//!
//! A chunk is `magic(4) checksum(4) type(1) length(uleb128) data`. The library inflates compressed chunks
//! without a bound and reads run-length columns to their stated end, so a kilobyte can become a million
//! operations, or a loop that does not end. What is found here decides whether it may try.
//! Format: <https://automerge.org/automerge-binary-format-spec/>.

use std::io::Read;

use flate2::bufread::DeflateDecoder;
use sha2::{Digest, Sha256};

use super::limits::Limits;
use super::refusal::{ChangeFault, Refusal};

const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
const HEADER_FIXED_BYTES: usize = 9;
const TYPE_CHANGE: u8 = 1;
const TYPE_COMPRESSED_CHANGE: u8 = 2;
const HASH_BYTES: u64 = 32;

/// Column ids are `id << 4 | type`; these two decide how much work a change is.
const COLUMN_ACTION: u64 = 4 << 4 | 2;
const COLUMN_PREDECESSOR_COUNT: u64 = 7 << 4;

struct Chunk<'a> {
    checksum: [u8; 4],
    kind: u8,
    data: &'a [u8],
    /// Bytes of the whole chunk, header included.
    length: usize,
}

/// Cuts the concatenated bytes of one or more changes (the body of `application/vnd.automerge`) into single
/// changes. Only the frames are read.
///
/// # Errors
///
/// A [`Refusal`] that names the position of the change where the bytes stop making sense.
pub fn split_changes(bytes: &[u8], limits: &Limits) -> Result<Vec<Vec<u8>>, Refusal> {
    let mut rest = bytes;
    let mut changes = Vec::new();
    while !rest.is_empty() {
        let index = changes.len();
        if index == limits.request_entries_max {
            return Err(Refusal::TooManyEntries { found: index + 1, max: limits.request_entries_max });
        }
        let chunk = open(rest).map_err(|fault| Refusal::Change { index, fault })?;
        let (change, behind) = rest.split_at(chunk.length);
        changes.push(change.to_vec());
        rest = behind;
    }
    Ok(changes)
}

/// The one change in `bytes` as an uncompressed chunk whose checksum is right and whose operation count is
/// within the limits.
pub(super) fn plain_change(bytes: &[u8], limits: &Limits) -> Result<Vec<u8>, ChangeFault> {
    let bytes_max = limits.change_bytes_max;
    if bytes.len() > bytes_max {
        return Err(ChangeFault::Oversized { what: "the bytes", max: bytes_max });
    }
    let chunk = open(bytes)?;
    if chunk.length < bytes.len() {
        return Err(ChangeFault::TrailingBytes);
    }
    let inflated;
    let data = match chunk.kind {
        TYPE_CHANGE => chunk.data,
        TYPE_COMPRESSED_CHANGE => {
            inflated = inflate(chunk.data, bytes_max)?;
            &inflated
        }
        0 => return Err(ChangeFault::Corrupt("this is a saved document; send its changes")),
        3 => return Err(ChangeFault::Corrupt("this is a bundle; send its changes")),
        _ => return Err(ChangeFault::Corrupt("unknown chunk type")),
    };
    let header = change_header(data.len());
    if Sha256::new_with_prefix(&header).chain_update(data).finalize()[..4] != chunk.checksum {
        return Err(ChangeFault::Corrupt("the checksum does not match"));
    }
    check_counts(data, limits)?;
    Ok([&MAGIC, &chunk.checksum, header.as_slice(), data].concat())
}

/// How many operations a change has, as far as its columns say: at most some more than a change may have. Nothing else is looked at.
pub(super) fn operation_count(bytes: &[u8], limits: &Limits) -> usize {
    let Ok(chunk) = open(bytes) else { return 0 };
    let inflated;
    let data = match chunk.kind {
        TYPE_COMPRESSED_CHANGE => {
            inflated = inflate(chunk.data, limits.change_bytes_max).unwrap_or_default();
            &inflated
        }
        _ => chunk.data,
    };
    let columns = read_columns(data).unwrap_or_default();
    let actions = columns.into_iter().filter(|(specification, _)| *specification == COLUMN_ACTION);
    let max = limits.change_operations_max as u64;
    let counts = actions.map(|(_, column)| sum_runs(column, |_| 1, max).unwrap_or_default());
    usize::try_from(counts.sum::<u64>()).unwrap_or(usize::MAX)
}

/// The part of the header that the hash covers: type and length.
fn change_header(data_bytes: usize) -> Vec<u8> {
    let mut header = vec![TYPE_CHANGE];
    let mut rest = data_bytes;
    loop {
        let low = (rest & 0x7f) as u8;
        rest >>= 7;
        if rest == 0 {
            header.push(low);
            return header;
        }
        header.push(low | 0x80);
    }
}

fn open(bytes: &[u8]) -> Result<Chunk<'_>, ChangeFault> {
    let magic_bytes = bytes.len().min(MAGIC.len());
    if bytes[..magic_bytes] != MAGIC[..magic_bytes] {
        return Err(ChangeFault::Corrupt("it does not begin with Automerge's signature"));
    }
    if bytes.len() < HEADER_FIXED_BYTES {
        return Err(ChangeFault::Truncated);
    }
    let checksum = [bytes[4], bytes[5], bytes[6], bytes[7]];
    let mut reader = Reader(&bytes[HEADER_FIXED_BYTES..]);
    let data_bytes = reader.unsigned().map_err(|_| ChangeFault::Truncated)?;
    let data = reader.take(data_bytes).map_err(|_| ChangeFault::Truncated)?;
    Ok(Chunk { checksum, kind: bytes[8], data, length: bytes.len() - reader.0.len() })
}

fn inflate(compressed: &[u8], bytes_max: usize) -> Result<Vec<u8>, ChangeFault> {
    let mut inflated = Vec::new();
    let bytes_allowed = bytes_max as u64 + 1;
    DeflateDecoder::new(compressed)
        .take(bytes_allowed)
        .read_to_end(&mut inflated)
        .map_err(|_| ChangeFault::Corrupt("the compressed part cannot be inflated"))?;
    if inflated.len() > bytes_max {
        return Err(ChangeFault::Oversized { what: "the inflated bytes", max: bytes_max });
    }
    Ok(inflated)
}

/// Goes through a change's data up to its columns and bounds the number of operations and of their predecessors.
fn check_counts(data: &[u8], limits: &Limits) -> Result<(), ChangeFault> {
    let operations_max = limits.change_operations_max;
    let columns = read_columns(data).map_err(|Malformed| ChangeFault::Corrupt("the change is malformed"))?;
    for (specification, column) in columns {
        let sum = match specification {
            COLUMN_ACTION => sum_runs(column, |_| 1, operations_max as u64),
            COLUMN_PREDECESSOR_COUNT => sum_runs(column, |count| count, operations_max as u64),
            _ => continue,
        };
        match sum {
            Ok(sum) if sum <= operations_max as u64 => {}
            Ok(_) => {
                return Err(ChangeFault::Oversized { what: "the number of operations", max: operations_max });
            }
            Err(Malformed) => return Err(ChangeFault::Corrupt("a column is malformed")),
        }
    }
    Ok(())
}

fn read_columns(data: &[u8]) -> Result<Vec<(u64, &[u8])>, Malformed> {
    let mut reader = Reader(data);
    let dependencies = reader.unsigned()?;
    reader.take(dependencies.checked_mul(HASH_BYTES).ok_or(Malformed)?)?;
    reader.length_prefixed()?; // actor
    reader.unsigned()?; // sequence number
    reader.unsigned()?; // first operation counter
    reader.signed()?; // time
    reader.length_prefixed()?; // message
    for _ in 0..reader.unsigned()? {
        reader.length_prefixed()?; // another actor
    }
    let columns = reader.unsigned()?;
    let mut lengths = Vec::new();
    for _ in 0..columns {
        lengths.push((reader.unsigned()?, reader.unsigned()?));
    }
    lengths.into_iter().map(|(specification, length)| Ok((specification, reader.take(length)?))).collect()
}

/// The values of a run-length column, weighed and summed up; more than `max` where they exceed it. Work is bounded by the bytes and
/// `max`.
fn sum_runs(column: &[u8], weight: impl Fn(u64) -> u64, max: u64) -> Result<u64, Malformed> {
    let mut reader = Reader(column);
    let mut total: u64 = 0;
    while !reader.0.is_empty() {
        let run = reader.signed()?;
        match run {
            0 => return Err(Malformed), // a run of nulls: these columns have none
            1.. => {
                let value = reader.unsigned()?;
                total = total.saturating_add(weight(value).saturating_mul(run.unsigned_abs()));
            }
            _ => {
                for _ in 0..run.unsigned_abs() {
                    total = total.saturating_add(weight(reader.unsigned()?));
                }
            }
        }
        if total > max {
            break;
        }
    }
    Ok(total)
}

struct Malformed;

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Result<u8, Malformed> {
        let (first, rest) = self.0.split_first().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*first)
    }

    fn take(&mut self, bytes: u64) -> Result<&'a [u8], Malformed> {
        let bytes = usize::try_from(bytes).map_err(|_| Malformed)?;
        let (taken, rest) = self.0.split_at_checked(bytes).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn length_prefixed(&mut self) -> Result<&'a [u8], Malformed> {
        let bytes = self.unsigned()?;
        self.take(bytes)
    }

    fn unsigned(&mut self) -> Result<u64, Malformed> {
        let mut value: u64 = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let low = u64::from(byte & 0x7f);
            if shift == 63 && low > 1 {
                return Err(Malformed);
            }
            value |= low << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    fn signed(&mut self) -> Result<i64, Malformed> {
        let mut value: i64 = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= i64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let bits = shift + 7;
                let negative = byte & 0x40 != 0;
                return Ok(if negative && bits < 64 { value | -1 << bits } else { value });
            }
        }
        Err(Malformed)
    }
}
