//! Puts a backup back.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use firemode_runtime::data_dir::{self, EmbeddedDatabase};
use firemode_runtime::settings::Settings;
use firemode_storage::dump::{LoadError, Restoration};
use firemode_storage::evidence_store::EvidenceStore;
use firemode_supervisor::{TemporaryPostgres, lock_data_folder};
use futures_util::TryStreamExt as _;

use super::archive::{self, Member, Reader, Verified};
use super::manifest::Manifest;
use super::{ArchiveError, BackupError, Contents, at, open_store};

/// Puts a backup into an empty data folder or an empty database.
///
/// The whole file is verified before anything is touched. With the embedded database everything is made aside and takes its
/// place when it is complete. The database gets a new identity, so that cursors and change tokens of the one that was backed
/// up are refused and not misread.
///
/// # Errors
/// [`BackupError`]; nothing is restored then, and what was there is as it was.
pub async fn restore(settings: &Settings, file: &Path) -> Result<Contents, BackupError> {
    let verified = archive::verify(File::open(file).map_err(ArchiveError::from)?)?;
    if !settings.uses_embedded_database() {
        refuse_full_store(settings).await?;
        return fill(settings, &verified, file).await;
    }
    let place = Place::of(settings)?;
    place.refuse_full()?;
    let _lock = lock_data_folder(&settings.data_dir)?;
    place.clear()?;
    let staged = Settings { data_dir: place.stage.clone(), ..settings.clone() };
    let restored = restore_staged(&staged, &verified, file).await;
    let taken = restored.and_then(|contents| place.take().map(|()| contents));
    let cleared = place.clear();
    let contents = taken?;
    cleared?;
    Ok(contents)
}

async fn restore_staged(
    staged: &Settings,
    verified: &Verified,
    file: &Path,
) -> Result<Contents, BackupError> {
    let server = TemporaryPostgres::start(staged)?;
    refuse_full_store(staged).await?;
    let contents = fill(staged, verified, file).await?;
    drop(server);
    Ok(contents)
}

async fn refuse_full_store(settings: &Settings) -> Result<(), BackupError> {
    if open_store(settings)?.is_empty().await? {
        return Ok(());
    }
    let url = &settings.evidence.url;
    let place = if url.is_empty() { settings.data_dir.join(data_dir::EVIDENCE) } else { PathBuf::from(url) };
    Err(BackupError::NotEmpty(place))
}

/// Fills an empty database and an empty store. Rows are committed when everything else is in its place.
async fn fill(settings: &Settings, verified: &Verified, file: &Path) -> Result<Contents, BackupError> {
    let manifest = &verified.manifest;
    let tables = manifest.tables.len();
    let mut contents = Contents { tables, bytes: verified.bytes, ..Contents::default() };
    let database =
        Restoration::begin(settings, manifest.schema_version, &manifest.tables, &manifest.sequences).await?;
    let store = open_store(settings)?;
    let mut kept = Vec::new();
    let filled = put_members(settings, manifest, file, &database, &store, &mut kept, &mut contents).await;
    let committed = match filled {
        Ok(()) => database.commit(settings, &manifest.tables, &manifest.sequences).await.map_err(Into::into),
        Err(error) => Err(error),
    };
    if committed.is_err() {
        for key in kept {
            // The first error is the one to report; what is left has no row.
            let _ = store.remove(&key).await;
        }
    }
    committed.map(|()| contents)
}

async fn put_members(
    settings: &Settings,
    manifest: &Manifest,
    file: &Path,
    database: &Restoration,
    store: &EvidenceStore,
    kept: &mut Vec<String>,
    contents: &mut Contents,
) -> Result<(), BackupError> {
    let mut reader = Reader::open(file)?;
    for member in reader.members()? {
        let mut member = member?;
        let name = member.name.clone();
        if let Some(rows) = name.strip_prefix("database/") {
            put_rows(manifest, rows, &mut member, database).await?;
        } else if let Some(key) = name.strip_prefix("evidence/") {
            kept.push(key.to_owned());
            put_evidence(store, key, &mut member).await?;
            contents.evidence_files += 1;
        } else if let Some(secret) = name.strip_prefix("secrets/").filter(|secret| !secret.contains('/')) {
            put_secret(&settings.data_dir.join(data_dir::SECRETS), secret, &member.whole()?)?;
            contents.secrets += 1;
        } else {
            return Err(unknown(&name).into());
        }
    }
    Ok(())
}

/// Rows of a table: all of them as they are, or some of them compressed.
async fn put_rows(
    manifest: &Manifest,
    name: &str,
    member: &mut Member<'_>,
    database: &Restoration,
) -> Result<(), BackupError> {
    let (path, is_compressed) = match name.strip_suffix(".copy.zst") {
        Some(path) => (path.rsplit_once('.').map(|(table, _)| table), true),
        None => (name.strip_suffix(".copy"), false),
    };
    let table = path.and_then(|path| manifest.tables.iter().find(|table| table.name == path));
    let table = table.ok_or_else(|| unknown(&member.name))?;
    let loaded = match is_compressed {
        true => database.load(table, member.expanded().map_err(ArchiveError::from)?).await,
        false => database.load(table, member.chunks()).await,
    };
    match loaded {
        Ok(_) => Ok(()),
        Err(LoadError::Source(error)) => Err(ArchiveError::from(error).into()),
        Err(LoadError::Storage(error)) => Err(error.into()),
        Err(error @ LoadError::Misfit { .. }) => Err(BackupError::Rows(error.to_string())),
    }
}

fn unknown(name: &str) -> ArchiveError {
    ArchiveError::Foreign(format!("it has a member {name}"))
}

async fn put_evidence(store: &EvidenceStore, key: &str, member: &mut Member<'_>) -> Result<(), BackupError> {
    let mut upload = store.begin_at(key.to_owned())?;
    let mut chunks = std::pin::pin!(member.chunks());
    while let Some(chunk) = chunks.try_next().await.map_err(ArchiveError::from)? {
        upload.write(&chunk).await?;
    }
    upload.complete().await?;
    Ok(())
}

fn put_secret(folder: &Path, name: &str, content: &[u8]) -> Result<(), BackupError> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(at(folder))?;
    let path = folder.join(name);
    let put = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(content)?;
        file.sync_all()
    };
    put().map_err(at(&path))
}

/// Where a restore with the embedded database is made, and where it goes.
struct Place {
    data_dir: PathBuf,
    stage: PathBuf,
    /// What moves, from the stage to its place; the database last, whose presence makes the folder a full one.
    moves: Vec<(PathBuf, PathBuf)>,
}

impl Place {
    fn of(settings: &Settings) -> Result<Self, BackupError> {
        let data_dir = settings.data_dir.clone();
        let stage = data_dir.join(data_dir::RESTORING);
        let around = |data_dir: &Path| -> Result<PathBuf, BackupError> {
            let database = EmbeddedDatabase::of(data_dir).map_err(at(data_dir))?;
            Ok(database.data.parent().map(Path::to_owned).unwrap_or(database.data))
        };
        let mut moves: Vec<_> = [data_dir::EVIDENCE, data_dir::SECRETS]
            .map(|name| (stage.join(name), data_dir.join(name)))
            .into();
        moves.push((around(&stage)?, around(&data_dir)?));
        Ok(Self { data_dir, stage, moves })
    }

    /// Everything that would be moved to must be missing or an empty folder.
    fn refuse_full(&self) -> Result<(), BackupError> {
        for (_, target) in &self.moves {
            let is_empty = match fs::read_dir(target) {
                Ok(mut entries) => entries.next().is_none(),
                Err(error) => error.kind() == io::ErrorKind::NotFound,
            };
            if !is_empty {
                return Err(BackupError::NotEmpty(target.clone()));
            }
        }
        Ok(())
    }

    /// Removes what this or an earlier restore left on the stage.
    fn clear(&self) -> Result<(), BackupError> {
        for path in self.moves.iter().map(|(staged, _)| staged).chain([&self.stage]) {
            match fs::remove_dir_all(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(path)(error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Moves everything to its place, for good.
    fn take(&self) -> Result<(), BackupError> {
        for (staged, target) in &self.moves {
            match fs::rename(staged, target) {
                // An archive without secrets, or evidence in a store of its own.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                moved => moved.map_err(at(target))?,
            }
        }
        File::open(&self.data_dir).and_then(|folder| folder.sync_all()).map_err(at(&self.data_dir))
    }
}
