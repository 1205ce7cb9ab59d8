//! Backups that are made again and again and kept for a while: in a folder, or in the store of the evidence.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use firemode_runtime::settings::{BackupPlace, Settings};
use firemode_storage::evidence_store::EvidenceStore;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::write::{write, write_to_store};
use super::{BackupError, Contents, at, open_store};

/// The time of a backup in its name.
const STAMP: &[BorrowedFormatItem<'_>] = format_description!("[year][month][day]T[hour][minute][second]Z");

const PREFIX: &str = "firemode-";
const SUFFIX: &str = ".tar";

/// One that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its name in the folder or the store.
    pub name: String,
    /// When it was begun: its rows are those of this moment.
    pub begun_at: OffsetDateTime,
    /// What it holds.
    pub contents: Contents,
}

/// Makes one where the settings want it, and then removes the oldest beyond those that are kept.
///
/// # Errors
/// [`BackupError`]; nothing is removed where none was made.
pub async fn make(settings: &Settings) -> Result<Kept, BackupError> {
    let begun_at = OffsetDateTime::now_utc();
    let name = name_of(begun_at);
    let place = Place::open(settings)?;
    let contents = match &place {
        Place::Folder(folder) => write(settings, &folder.join(&name)).await?,
        Place::Store(store) => write_to_store(settings, store, &name).await?,
    };
    // The new one is whole all the same. They are tried again with the next one.
    if let Err(error) = place.remove_oldest(settings.backup.keep).await {
        tracing::warn!(%error, "old backups could not be removed");
    }
    Ok(Kept { name, begun_at, contents })
}

/// Where they are.
enum Place {
    Folder(PathBuf),
    Store(EvidenceStore),
}

impl Place {
    /// Makes the folder, where it is one that is not there.
    fn open(settings: &Settings) -> Result<Self, BackupError> {
        match BackupPlace::of(settings) {
            BackupPlace::Folder(folder) => {
                DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(at(&folder))?;
                Ok(Self::Folder(folder))
            }
            BackupPlace::Store => Ok(Self::Store(open_store(settings)?)),
        }
    }

    async fn remove_oldest(&self, keep: usize) -> Result<(), BackupError> {
        let mut ours: Vec<_> =
            self.names().await?.into_iter().filter_map(|name| Some((begun_at(&name)?, name))).collect();
        ours.sort_unstable();
        let surplus = ours.len().saturating_sub(keep);
        for (_, name) in ours.into_iter().take(surplus) {
            match self {
                Self::Folder(folder) => match fs::remove_file(folder.join(&name)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(folder)(error)),
                    _ => {}
                },
                Self::Store(store) => store.remove(&EvidenceStore::backup_key(&name)).await?,
            }
        }
        Ok(())
    }

    async fn names(&self) -> Result<Vec<String>, BackupError> {
        match self {
            Self::Folder(folder) => {
                let entries = fs::read_dir(folder).map_err(at(folder))?;
                let names: io::Result<Vec<_>> =
                    entries.map(|entry| Ok(entry?.file_name().into_string().ok())).collect();
                Ok(names.map_err(at(folder))?.into_iter().flatten().collect())
            }
            Self::Store(store) => Ok(store.backups().await?),
        }
    }
}

fn name_of(begun_at: OffsetDateTime) -> String {
    let stamp = begun_at.format(STAMP).unwrap_or_default();
    format!("{PREFIX}{stamp}{SUFFIX}")
}

/// None where the name is not one of ours.
fn begun_at(name: &str) -> Option<OffsetDateTime> {
    let stamp = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
    time::PrimitiveDateTime::parse(stamp, STAMP).ok().map(time::PrimitiveDateTime::assume_utc)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_when_it_was_begun_and_others_are_not_ours() {
        let at = OffsetDateTime::from_unix_timestamp(1_793_412_061).expect("it is a time");
        assert_eq!(name_of(at), "firemode-20261031T020101Z.tar");
        assert_eq!(begun_at(&name_of(at)), Some(at));
        for name in ["firemode-mine.tar", "20261031T020101Z.tar", "firemode-20261031T020101Z.tar.17.partial"]
        {
            assert_eq!(begun_at(name), None, "{name}");
        }
    }
}
