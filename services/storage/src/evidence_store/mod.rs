//! The bytes of evidence: in a folder, an object store, or the database.

mod objects;
mod rows;
mod sidecar;
mod silence;
mod upload;

use bytes::Bytes;
use firemode_runtime::settings::{EvidencePlace, Settings};
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt as _, TryStreamExt as _, future};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore as _};
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;
use uuid::Uuid;

use self::objects::Objects;
use self::rows::Chunks;
use self::silence::ANSWER_TIME_MAX;
pub use self::upload::Upload;
use crate::{Database, StorageError, evidence_leases};

/// Where evidence is kept.
#[derive(Debug, Clone)]
pub struct EvidenceStore(Backend);

#[derive(Debug, Clone)]
enum Backend {
    Objects(Objects),
    Rows(Database),
}

/// What the keys of backups begin with; those of evidence begin with the id of an organisation.
const BACKUPS: &str = "backups";

fn is_backup(location: &Path) -> bool {
    location.parts().next().is_some_and(|first| first.as_ref() == BACKUPS)
}

/// Bytes that are in the store for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBytes {
    /// Where they are.
    pub key: String,
    /// SHA-256 of them.
    pub sha256: [u8; 32],
    /// How many.
    pub size_bytes: u64,
}

impl EvidenceStore {
    /// Opens the store that the settings name, making its folder where it is one.
    ///
    /// # Errors
    /// The folder cannot be made, or the environment lacks what the store needs.
    pub fn open(settings: &Settings, database: &Database) -> Result<Self, StorageError> {
        let place = EvidencePlace::parse(&settings.evidence.url, &settings.data_dir);
        let place = place.map_err(|why| StorageError::Unavailable(format!("evidence.url {why}")))?;
        let backend = match (Objects::elsewhere(&place)?, place) {
            (Some(objects), _) => Backend::Objects(objects),
            (None, EvidencePlace::Folder(folder)) => Backend::Objects(Objects::folder(folder)?),
            (None, _) => Backend::Rows(database.clone()),
        };
        Ok(Self(backend))
    }

    /// What is wrong with the setting, or with the credentials of the environment, of a store elsewhere.
    pub(crate) fn problem(settings: &Settings) -> Option<(&'static str, String)> {
        let place = EvidencePlace::parse(&settings.evidence.url, &settings.data_dir).ok()?;
        Some(("evidence.url", Objects::elsewhere(&place).err()?.to_string()))
    }

    /// Does a store elsewhere not answer? It has logged that once, and whoever has more to ask of it had better come again later.
    pub fn is_silent(&self) -> bool {
        match &self.0 {
            Backend::Objects(objects) => objects.is_silent(),
            Backend::Rows(_) => false,
        }
    }

    /// A key for new bytes of a tenant that nothing else has.
    pub fn new_key(organisation_id: Uuid) -> String {
        format!("{organisation_id}/{}", Uuid::now_v7())
    }

    /// Begins an upload under a new key, or under the key that restored rows know it by.
    ///
    /// # Errors
    /// It is no key of ours.
    pub fn begin_at(&self, key: String) -> Result<Upload, StorageError> {
        Ok(match &self.0 {
            Backend::Objects(objects) => Upload::to_objects(objects.clone(), key),
            Backend::Rows(database) => Upload::to_rows(Chunks::new(database.clone(), &key)?, key),
        })
    }

    /// What an upload keeps in memory until it goes to the store, at most.
    pub fn part_bytes(&self) -> usize {
        match &self.0 {
            Backend::Objects(objects) => objects.part_bytes,
            Backend::Rows(_) => rows::CHUNK_BYTES,
        }
    }

    /// Is there no evidence in it?
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn is_empty(&self) -> Result<bool, StorageError> {
        match &self.0 {
            Backend::Objects(objects) => {
                let is_evidence = |meta: &ObjectMeta| future::ready(!is_backup(&meta.location));
                Ok(objects.store.list(None).try_filter(is_evidence).try_next().await?.is_none())
            }
            Backend::Rows(database) => rows::is_empty(database).await,
        }
    }

    /// The key of a backup that is kept beside the evidence.
    pub fn backup_key(name: &str) -> String {
        format!("{BACKUPS}/{name}")
    }

    /// Begins one, which may be far larger than evidence is.
    ///
    /// # Errors
    /// It is the database.
    pub fn begin_backup(&self, name: &str) -> Result<Upload, StorageError> {
        let objects = self.objects_for_backups()?.for_large();
        Ok(Upload::to_objects(objects, Self::backup_key(name)))
    }

    /// The names of the backups that are kept beside the evidence.
    ///
    /// # Errors
    /// The store does not answer, or it is the database.
    pub async fn backups(&self) -> Result<Vec<String>, StorageError> {
        let found = self.objects_for_backups()?.store.list(Some(&Path::from(BACKUPS)));
        let names = found.map_ok(|meta| meta.location.filename().map(str::to_owned));
        Ok(names.try_collect::<Vec<_>>().await?.into_iter().flatten().collect())
    }

    fn objects_for_backups(&self) -> Result<&Objects, StorageError> {
        match &self.0 {
            Backend::Objects(objects) => Ok(objects),
            Backend::Rows(_) => {
                Err(StorageError::Unavailable("a database keeps no backups of itself".to_owned()))
            }
        }
    }

    /// Removes bytes that no row refers to, and what a crash left of them. Nothing happens where there are none.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn remove(&self, key: &str) -> Result<(), StorageError> {
        match &self.0 {
            Backend::Objects(objects) => objects.remove(key).await,
            Backend::Rows(database) => Chunks::new(database.clone(), key)?.remove().await,
        }
    }

    /// Removes bytes that no row refers to, and then the lease that named them. Where it fails, the sweeper finds the lease.
    ///
    /// # Errors
    /// The store or the database does not answer.
    pub async fn remove_leased(
        &self,
        database: &Database,
        organisation_id: Uuid,
        key: &str,
    ) -> Result<(), StorageError> {
        self.remove(key).await?;
        evidence_leases::end(database, organisation_id, key).await
    }

    /// Streams bytes, all of them or those of a range (end exclusive).
    ///
    /// # Errors
    /// They are not there, or the store does not answer.
    pub async fn read(
        &self,
        key: &str,
        range: Option<std::ops::Range<u64>>,
    ) -> Result<BoxStream<'static, Result<Bytes, StorageError>>, StorageError> {
        match &self.0 {
            Backend::Objects(objects) => {
                let options = GetOptions { range: range.map(GetRange::Bounded), ..GetOptions::default() };
                let result = objects.store.get_opts(&Path::from(key), options).await?;
                Ok(without_long_pauses(result.into_stream()))
            }
            Backend::Rows(database) => Chunks::new(database.clone(), key)?.read(range).await,
        }
    }

    /// Hashes the stored bytes again.
    ///
    /// # Errors
    /// They are not there, or the store does not answer.
    pub async fn hash(&self, key: &str) -> Result<StoredBytes, StorageError> {
        let mut stream = self.read(key, None).await?;
        let (mut hasher, mut size_bytes) = (Sha256::new(), 0);
        while let Some(chunk) = stream.try_next().await? {
            hasher.update(&chunk);
            size_bytes += chunk.len() as u64;
        }
        Ok(StoredBytes { key: key.to_owned(), sha256: hasher.finalize().into(), size_bytes })
    }
}

/// The bytes of an object; an error ends them where the next ones do not come.
fn without_long_pauses(
    bytes: BoxStream<'static, object_store::Result<Bytes>>,
) -> BoxStream<'static, Result<Bytes, StorageError>> {
    let next = async |mut bytes: BoxStream<'static, object_store::Result<Bytes>>| {
        let silent =
            || StorageError::Unavailable("the evidence store stopped in the middle of an answer".to_owned());
        let part = timeout(ANSWER_TIME_MAX, bytes.try_next()).await.map_err(|_| silent())??;
        Ok(part.map(|part| (part, bytes)))
    };
    stream::try_unfold(bytes, next).boxed()
}
