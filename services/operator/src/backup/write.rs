//! Writes a backup.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use firemode_runtime::data_dir::{self, EmbeddedDatabase};
use firemode_runtime::settings::Settings;
use firemode_storage::StorageError;
use firemode_storage::dump::{Blob, DatabaseDump};
use firemode_storage::evidence_store::EvidenceStore;
use firemode_supervisor::{SupervisorError, TemporaryPostgres};
use futures_util::TryStreamExt as _;
use time::OffsetDateTime;

use super::archive::{self, StreamError, Writer};
use super::manifest::{FORMAT, Manifest};
use super::{BackupError, Contents, at, open_store};

/// Writes the database and the evidence into a file that is not there yet.
///
/// FireMode may be running and taking work: the rows are those of one snapshot, and evidence that they refer to is in the
/// store before they are committed and never leaves it. Where the embedded database is not running, it is started for as
/// long as it takes. The file gets its name once it is complete, on disk, and read back.
///
/// # Errors
/// [`BackupError`]; there is no new file then.
pub async fn write(settings: &Settings, file: &Path) -> Result<Contents, BackupError> {
    if file.symlink_metadata().is_ok() {
        return Err(BackupError::Exists(file.to_owned()));
    }
    let _server = server(settings)?;
    let draft = draft(file);
    let written = write_draft(settings, &draft).await.and_then(|contents| {
        archive::verify(&draft)?;
        publish(&draft, file)?;
        Ok(contents)
    });
    if written.is_err() {
        // What is in the way of removing it has its own error, which matters more.
        let _ = fs::remove_file(&draft);
    }
    written
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

/// Beside the file, so that it can take the name in one step.
fn draft(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    file.with_file_name(name)
}

async fn write_draft(settings: &Settings, draft: &Path) -> Result<Contents, BackupError> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft).map_err(at(draft))?;
    let snapshot = DatabaseDump::open(settings).await?;
    let now = OffsetDateTime::now_utc();
    let manifest = Manifest {
        format: FORMAT,
        firemode: env!("CARGO_PKG_VERSION").to_owned(),
        created_at: now,
        schema_version: snapshot.schema_version().await?,
        tables: snapshot.tables().await?,
        sequences: snapshot.sequences().await?,
    };
    if manifest.schema_version == 0 {
        return Err(BackupError::NothingThere);
    }
    let mut writer = Writer::new(file, now);
    writer.manifest(&manifest)?;
    for table in &manifest.tables {
        let rows = snapshot.rows(table).await?;
        writer.stream(&format!("database/{}.copy", table.name), rows).await.map_err(database)?;
    }
    let mut contents = Contents { tables: manifest.tables.len(), ..Contents::default() };
    contents.secrets = add_secrets(&mut writer, &settings.data_dir.join(data_dir::SECRETS))?;
    let store = open_store(settings)?;
    let mut blobs = std::pin::pin!(snapshot.blobs().await?);
    while let Some(blob) = blobs.try_next().await? {
        add_evidence(&mut writer, &store, &blob).await?;
        contents.evidence_files += 1;
    }
    contents.bytes = writer.finish()?;
    Ok(contents)
}

fn database(error: StreamError<StorageError>) -> BackupError {
    match error {
        StreamError::Source(error) => error.into(),
        StreamError::Archive(error) => error.into(),
    }
}

fn add_secrets(writer: &mut Writer, folder: &Path) -> Result<usize, BackupError> {
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
            writer.whole(&format!("secrets/{name}"), &fs::read(&path).map_err(at(&path))?)?;
            added += 1;
        }
    }
    Ok(added)
}

async fn add_evidence(writer: &mut Writer, store: &EvidenceStore, blob: &Blob) -> Result<(), BackupError> {
    let damaged = |reason: String| BackupError::Evidence { key: blob.storage_key.clone(), reason };
    let bytes = store.read(&blob.storage_key, None).await.map_err(|error| damaged(error.to_string()))?;
    let path = format!("evidence/{}", blob.storage_key);
    let written = writer.stream(&path, bytes).await.map_err(|error| match error {
        StreamError::Source(error) => damaged(error.to_string()),
        StreamError::Archive(error) => error.into(),
    })?;
    if written.sha256[..] != blob.sha256[..] || written.bytes != blob.size_bytes {
        return Err(damaged("its bytes do not have the hash that was recorded".to_owned()));
    }
    Ok(())
}

/// Gives the draft its name, for good, unless that was taken meanwhile.
fn publish(draft: &Path, file: &Path) -> Result<(), BackupError> {
    if let Err(error) = fs::hard_link(draft, file) {
        if error.kind() == io::ErrorKind::AlreadyExists {
            return Err(BackupError::Exists(file.to_owned()));
        }
        // Some file systems have no hard links.
        fs::rename(draft, file).map_err(at(file))?;
    } else {
        fs::remove_file(draft).map_err(at(draft))?;
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder))?;
    Ok(())
}
