//! The archive: a tar file whose last member has the hash of each other one. How it is read.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use futures_util::Stream;
use sha2::{Digest as _, Sha256};
use tar::{Archive, Entry, EntryType};
use zstd::stream::read::Decoder;

use super::manifest::{FORMAT, Manifest};

/// The first member.
pub(super) const MANIFEST: &str = "manifest.json";

/// The last member, as `sha256sum` writes it.
pub(super) const SUMS: &str = "SHA256SUMS";

/// Largest manifest and largest list of hashes that are read: a million files have 110 MB of the latter.
const TEXT_BYTES_MAX: u64 = 512 << 20;

/// Bytes that are read at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// SHA-256 of each member, by path.
pub(super) type Hashes = BTreeMap<String, String>;

/// The archive is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It cannot be read, or ends in the middle of a member.
    #[error("the backup cannot be read to its end")]
    Io(#[from] io::Error),
    /// It is a tar file of somebody else's, or of a later version.
    #[error("this is not a backup of FireMode that this version can read: {0}")]
    Foreign(String),
    /// It ends too early.
    #[error("the backup is incomplete: its list of hashes ({SUMS}) is missing")]
    Incomplete,
    /// A member is not as it was written.
    #[error("the backup is damaged: {0} is not what was written")]
    Damaged(String),
}

/// A whole archive.
pub(super) struct Verified {
    pub(super) manifest: Manifest,
    /// Bytes of all members.
    pub(super) bytes: u64,
}

/// Reads a whole archive and compares every member with its hash.
pub(super) fn verify(file: File) -> Result<Verified, ArchiveError> {
    let mut archive = Archive::new(BufReader::with_capacity(CHUNK_BYTES, file));
    let mut bytes = 0;
    let (mut manifest, mut sums, mut found) = (None, None, Hashes::new());
    for entry in archive.entries().map_err(foreign)? {
        let mut entry =
            entry.map_err(|error| if found.is_empty() { foreign(error) } else { error.into() })?;
        let name = name(&entry)?;
        if sums.is_some() || (manifest.is_none() && name != MANIFEST) || found.contains_key(&name) {
            return Err(ArchiveError::Foreign(format!("it has {name} in an unexpected place")));
        }
        bytes += entry.size();
        match name.as_str() {
            SUMS => sums = Some(text(&mut entry)?),
            MANIFEST => {
                let content = text(&mut entry)?;
                found.insert(name, HEXLOWER.encode(&Sha256::digest(&content)));
                manifest = Some(read_manifest(&content)?);
            }
            _ => drop(found.insert(name, hash(&mut entry)?)),
        }
    }
    let manifest = manifest.ok_or_else(|| ArchiveError::Foreign("it is empty".to_owned()))?;
    let written = read_sums(&sums.ok_or(ArchiveError::Incomplete)?);
    let differs = |(path, hash): &(&String, &String)| found.get(*path) != Some(*hash);
    if let Some((path, _)) = written.iter().find(differs) {
        return Err(ArchiveError::Damaged(path.clone()));
    }
    match found.keys().find(|path| !written.contains_key(*path)) {
        Some(path) => Err(ArchiveError::Damaged(path.clone())),
        None => Ok(Verified { manifest, bytes }),
    }
}

/// The members of a verified archive, in order, without the manifest and the hashes.
pub(super) struct Reader(Archive<BufReader<File>>);

/// One member.
pub(super) struct Member<'a> {
    pub(super) name: String,
    entry: Entry<'a, BufReader<File>>,
}

impl Reader {
    pub(super) fn open(path: &Path) -> Result<Self, ArchiveError> {
        Ok(Self(Archive::new(BufReader::with_capacity(CHUNK_BYTES, File::open(path)?))))
    }

    pub(super) fn members(
        &mut self,
    ) -> Result<impl Iterator<Item = Result<Member<'_>, ArchiveError>>, ArchiveError> {
        let members = self.0.entries()?.map(|entry| {
            let entry = entry?;
            Ok(Member { name: name(&entry)?, entry })
        });
        let is_content =
            |member: &Result<Member<'_>, _>| !matches!(member, Ok(m) if m.name == MANIFEST || m.name == SUMS);
        Ok(members.filter(is_content))
    }
}

impl Member<'_> {
    /// Its content, a piece at a time.
    pub(super) fn chunks(&mut self) -> impl Stream<Item = Result<Bytes, io::Error>> {
        pieces(&mut self.entry)
    }

    /// What was compressed into it, a piece at a time.
    pub(super) fn expanded(&mut self) -> Result<impl Stream<Item = Result<Bytes, io::Error>>, io::Error> {
        Ok(pieces(Decoder::new(&mut self.entry)?))
    }

    /// Its whole content; for small members.
    pub(super) fn whole(&mut self) -> Result<Vec<u8>, ArchiveError> {
        text(&mut self.entry)
    }
}

fn pieces(mut content: impl Read) -> impl Stream<Item = Result<Bytes, io::Error>> {
    futures_util::stream::iter(std::iter::from_fn(move || {
        let mut chunk = vec![0; CHUNK_BYTES];
        match content.read(&mut chunk) {
            Ok(0) => None,
            Ok(read) => {
                chunk.truncate(read);
                Some(Ok(chunk.into()))
            }
            Err(error) => Some(Err(error)),
        }
    }))
}

/// The path of a member, which must be a plain file inside the archive.
fn name(entry: &Entry<'_, BufReader<File>>) -> Result<String, ArchiveError> {
    let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
    let is_inside = !name.starts_with('/') && name.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if entry.header().entry_type() == EntryType::Regular && is_inside {
        Ok(name)
    } else {
        Err(ArchiveError::Foreign(format!("it has a member {name:?}")))
    }
}

fn foreign(error: io::Error) -> ArchiveError {
    ArchiveError::Foreign(error.to_string())
}

fn text(entry: &mut Entry<'_, BufReader<File>>) -> Result<Vec<u8>, ArchiveError> {
    let mut content = Vec::new();
    let size = entry.size();
    if size > TEXT_BYTES_MAX {
        return Err(ArchiveError::Foreign(format!("a member of {size} bytes is not a text")));
    }
    entry.read_to_end(&mut content)?;
    whole(content.len() as u64, size)?;
    Ok(content)
}

fn hash(entry: &mut Entry<'_, BufReader<File>>) -> Result<String, ArchiveError> {
    let (mut hasher, mut bytes, mut chunk) = (Sha256::new(), 0, vec![0; CHUNK_BYTES]);
    loop {
        match entry.read(&mut chunk)? {
            0 => break,
            read => {
                hasher.update(&chunk[..read]);
                bytes += read as u64;
            }
        }
    }
    whole(bytes, entry.size())?;
    Ok(HEXLOWER.encode(&hasher.finalize()))
}

fn whole(read: u64, size: u64) -> Result<(), ArchiveError> {
    if read == size { Ok(()) } else { Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()) }
}

fn read_manifest(json: &[u8]) -> Result<Manifest, ArchiveError> {
    let manifest: Manifest = serde_json::from_slice(json)
        .map_err(|error| ArchiveError::Foreign(format!("its manifest: {error}")))?;
    if !(1..=FORMAT).contains(&manifest.format) {
        return Err(ArchiveError::Foreign(format!("it has format {}, not 1 to {FORMAT}", manifest.format)));
    }
    Ok(manifest)
}

/// A line that does not read as a hash and a path leaves a member without a hash, which is reported.
fn read_sums(text: &[u8]) -> Hashes {
    let text = String::from_utf8_lossy(text);
    let line = |line: &str| line.split_once("  ").map(|(hash, path)| (path.to_owned(), hash.to_owned()));
    text.lines().filter_map(line).collect()
}
