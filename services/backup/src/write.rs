//! Writes a backup.

use std::fs::{self, File};
use std::io::{self, Seek as _};
use std::path::Path;

use firemode_runtime::data_dir::{self, EmbeddedDatabase};
use firemode_runtime::settings::Settings;
use firemode_storage::dump::{Blob, DatabaseDump};
use firemode_storage::evidence_store::EvidenceStore;
use firemode_supervisor::{SupervisorError, TemporaryPostgres};
use futures_util::TryStreamExt as _;
use time::OffsetDateTime;

use super::draft::Draft;
use super::manifest::{FORMAT, Manifest};
use super::writer::{Finished, Sink, Writer};
use super::{BackupError, Contents, archive, at, open_store};

/// Writes the database and the evidence into a file that is not there yet.
///
/// FireMode may be running and taking work: the rows are those of one snapshot, and evidence that they refer to is in the
/// store before they are committed and never leaves it. Where the embedded database is not running, it is started for as
/// long as it takes. The file gets its name once it is complete, on disk, and read back. Dropped before, it leaves nothing.
///
/// # Errors
/// [`BackupError`]; there is no new file then.
pub async fn write(settings: &Settings, path: &Path) -> Result<Contents, BackupError> {
    if path.symlink_metadata().is_ok() {
        return Err(BackupError::Exists(path.to_owned()));
    }
    let _server = server(settings)?;
    let snapshot = Snapshot::take(settings).await?;
    let draft = Draft::begin(path).map_err(at(path))?;
    let file = draft.file().map_err(at(path))?;
    let (contents, _) = snapshot.write(settings, Sink::File(file)).await?;
    read_back(draft.file().map_err(at(path))?).await?;
    match draft.publish(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(BackupError::Exists(path.to_owned()))
        }
        published => published.map(|()| contents).map_err(at(path)),
    }
}

/// On a thread of its own, so that a caller who gives up does not wait for it, and no name is given to what nobody wants.
async fn read_back(mut file: File) -> Result<(), BackupError> {
    let verify = move || {
        file.rewind()?;
        archive::verify(file)
    };
    let verified = tokio::task::spawn_blocking(verify).await;
    verified.map_err(|error| BackupError::Write(error.into()))??;
    Ok(())
}

/// The same into the store of the evidence. What the store gives back afterwards is what was written.
///
/// # Errors
/// [`BackupError`]; nothing that counts is in the store then.
pub(super) async fn write_to_store(
    settings: &Settings,
    store: &EvidenceStore,
    name: &str,
) -> Result<Contents, BackupError> {
    let snapshot = Snapshot::take(settings).await?;
    let sink = Sink::Store(Box::new(store.begin_backup(name)?));
    let (contents, Finished { stored, .. }) = snapshot.write(settings, sink).await?;
    let key = EvidenceStore::backup_key(name);
    if Some(store.hash(&key).await?) != stored {
        store.remove(&key).await?;
        return Err(BackupError::NotKept);
    }
    Ok(contents)
}

/// A database server for the time of the backup, where the appliance's own is not running.
fn server(settings: &Settings) -> Result<Option<TemporaryPostgres>, BackupError> {
    if !settings.uses_embedded_database() {
        return Ok(None);
    }
    let place = EmbeddedDatabase::of(&settings.data_dir).map_err(at(&settings.data_dir))?;
    if !place.data.exists() {
        return Err(BackupError::NothingThere);
    }
    match TemporaryPostgres::start(settings) {
        Ok(server) => Ok(Some(server)),
        Err(SupervisorError::Locked { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What is to be backed up, as of one moment.
struct Snapshot {
    dump: DatabaseDump,
    manifest: Manifest,
    left_out: Vec<String>,
    at: OffsetDateTime,
}

impl Snapshot {
    async fn take(settings: &Settings) -> Result<Self, BackupError> {
        let dump = DatabaseDump::open(settings).await?;
        let at = OffsetDateTime::now_utc();
        let tables = dump.tables().await?;
        let manifest = Manifest {
            format: FORMAT,
            firemode: env!("CARGO_PKG_VERSION").to_owned(),
            created_at: at,
            schema_version: dump.schema_version().await?,
            sequences: dump.sequences(&tables.ours).await?,
            tables: tables.ours,
        };
        if manifest.schema_version == 0 {
            return Err(BackupError::NothingThere);
        }
        Ok(Self { dump, manifest, left_out: tables.foreign, at })
    }

    async fn write(self, settings: &Settings, sink: Sink) -> Result<(Contents, Finished), BackupError> {
        let mut writer = Writer::new(sink, self.at);
        match self.write_members(settings, &mut writer).await {
            Ok(mut contents) => {
                let finished = writer.finish().await?;
                contents.bytes = finished.bytes;
                Ok((contents, finished))
            }
            Err(error) => {
                writer.abort().await;
                Err(error)
            }
        }
    }

    async fn write_members(self, settings: &Settings, writer: &mut Writer) -> Result<Contents, BackupError> {
        writer.manifest(&self.manifest).await?;
        for table in &self.manifest.tables {
            let rows = self.dump.rows(table).await?;
            writer.rows(&format!("database/{}", table.name), rows).await?;
        }
        let mut contents = Contents {
            tables: self.manifest.tables.len(),
            secrets: add_secrets(writer, &settings.data_dir.join(data_dir::SECRETS)).await?,
            left_out: self.left_out,
            ..Contents::default()
        };
        let store = open_store(settings)?;
        let mut blobs = std::pin::pin!(self.dump.blobs().await?);
        while let Some(blob) = blobs.try_next().await? {
            add_evidence(writer, &store, &blob).await?;
            contents.evidence_files += 1;
        }
        Ok(contents)
    }
}

async fn add_secrets(writer: &mut Writer, folder: &Path) -> Result<usize, BackupError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries.map_err(at(folder))?,
    };
    let mut added = 0;
    for entry in entries {
        let path = entry.map_err(at(folder))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        // A name with a dot is a draft that somebody is about to finish.
        if !name.starts_with('.') {
            let content = fs::read(&path).map_err(at(&path))?;
            writer.whole(&format!("secrets/{name}"), &content).await?;
            added += 1;
        }
    }
    Ok(added)
}

async fn add_evidence(writer: &mut Writer, store: &EvidenceStore, blob: &Blob) -> Result<(), BackupError> {
    let damaged = |reason: String| BackupError::Evidence { key: blob.storage_key.clone(), reason };
    let bytes = store.read(&blob.storage_key, None).await.map_err(|error| damaged(error.to_string()))?;
    let bytes = bytes.map_err(|error| damaged(error.to_string()));
    let path = format!("evidence/{}", blob.storage_key);
    let written = writer.announced(&path, blob.size_bytes, bytes).await?;
    if written.sha256[..] != blob.sha256[..] || written.bytes != blob.size_bytes {
        return Err(damaged("its bytes do not have the hash that was recorded".to_owned()));
    }
    Ok(())
}
