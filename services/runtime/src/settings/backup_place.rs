//! Where scheduled backups are kept, as `backup.place` says it.

use std::path::PathBuf;

use super::{EvidencePlace, Settings};
use crate::data_dir;

/// A place for scheduled backups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackupPlace {
    /// A folder of this machine.
    Folder(PathBuf),
    /// The object store that evidence is kept in.
    Store,
}

/// The word for the evidence's store.
const STORE: &str = "store";

impl BackupPlace {
    /// The place that checked settings name; none means a folder in the data folder.
    pub fn of(settings: &Settings) -> Self {
        match settings.backup.place.as_str() {
            "" => Self::Folder(settings.data_dir.join(data_dir::BACKUPS)),
            STORE => Self::Store,
            folder => Self::Folder(PathBuf::from(folder)),
        }
    }

    /// What is wrong with it, where backups are to be made.
    pub(super) fn problem(
        settings: &Settings,
        evidence: Option<&EvidencePlace>,
        is_lasting: bool,
    ) -> Option<String> {
        match Self::of(settings) {
            Self::Store if matches!(evidence, Some(EvidencePlace::S3 { .. } | EvidencePlace::Gcs { .. })) => None,
            Self::Store => Some("is the store of the evidence, which has to be s3: or gs: for it; name a folder".to_owned()),
            Self::Folder(folder) if !folder.is_absolute() && !settings.backup.place.is_empty() => {
                Some(format!("'{}' is neither an absolute path nor '{STORE}'", folder.display()))
            }
            Self::Folder(_) if is_lasting => None,
            Self::Folder(_) => Some(
                "keeps backups on this machine's disk, which production does not trust; set it to 'store', or disk_is_durable = true \
                 where the disk outlives restarts"
                    .to_owned(),
            ),
        }
    }
}
