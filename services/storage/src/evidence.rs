//! Evidence: its bytes once per tenant and content, and each use of them.

use serde_json::Value;
use time::OffsetDateTime;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::page::{Page, Walk, in_walk};
use crate::{Executor, StorageError, Transaction, sql};

/// A piece of evidence.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// Its id, from the device or from us.
    pub id: Uuid,
    /// The session that it belongs to.
    pub session_id: Uuid,
    /// The item that it shows.
    pub item_id: Option<String>,
    /// `photo`, `video`, `document`, `measurement` or `signature`.
    pub evidence_type: String,
    /// SHA-256 of the bytes.
    pub sha256: Vec<u8>,
    /// Number of bytes.
    pub size_bytes: i64,
    /// Media type, found by looking at the bytes.
    pub content_type: String,
    /// What the device says about it.
    pub metadata: Value,
    /// `verified` or `flagged`.
    pub status: String,
    /// Why it is to be reviewed, where it is flagged.
    pub flag: Option<Flag>,
    /// Who uploaded it.
    pub uploaded_by: Uuid,
    /// When.
    pub created_at: OffsetDateTime,
    /// Where the store keeps the bytes.
    pub storage_key: String,
}

/// A wish that somebody look at a piece of evidence.
#[derive(Debug, Clone)]
pub struct Flag {
    /// Why.
    pub reason: String,
    /// Whose wish.
    pub by: Uuid,
    /// Since when.
    pub at: OffsetDateTime,
}

/// Which evidence of a session is wanted.
#[derive(Debug, Clone, Default)]
pub struct EvidenceFilter {
    /// Of this item.
    pub item_id: Option<String>,
    /// With this status.
    pub status: Option<String>,
}

/// Evidence to be made.
#[derive(Debug)]
pub struct NewEvidence<'a> {
    /// See [`Evidence::id`].
    pub id: Uuid,
    /// See [`Evidence::session_id`].
    pub session_id: Uuid,
    /// See [`Evidence::item_id`].
    pub item_id: Option<&'a str>,
    /// See [`Evidence::evidence_type`].
    pub evidence_type: &'a str,
    /// See [`Evidence::sha256`].
    pub sha256: &'a [u8],
    /// See [`Evidence::content_type`].
    pub content_type: &'a str,
    /// See [`Evidence::metadata`].
    pub metadata: &'a Value,
    /// See [`Evidence::uploaded_by`].
    pub uploaded_by: Uuid,
    /// What was signed for it.
    pub receipt: &'a str,
}

/// What matters of a piece of evidence that is brought again.
#[derive(Debug)]
pub struct Repetition {
    /// What was signed for it when it was stored; none for evidence from before that was kept.
    pub receipt: Option<String>,
    /// Names in the metadata whose values differ, or are on one side only.
    pub metadata_differs: Vec<String>,
}

/// Notes stored bytes, unless the tenant has the same ones already; returns the key under which they are kept, which is then
/// another one than `storage_key`, and when the transaction began, which is when what it makes is made.
///
/// # Errors
/// The database does not answer.
pub async fn insert_blob(
    tx: &Transaction,
    organisation_id: Uuid,
    sha256: &[u8],
    size_bytes: i64,
    storage_key: &str,
) -> Result<(String, OffsetDateTime), StorageError> {
    // The update changes nothing; it makes the statement return, and hold, the row that is there.
    let row = sql::one(
        tx,
        "insert into evidence_blobs (organisation_id, sha256, size_bytes, storage_key) values ($1, $2, $3, $4)
         on conflict (organisation_id, sha256) do update set sha256 = excluded.sha256
         returning storage_key, now()",
        &[&organisation_id, &sha256, &size_bytes, &storage_key],
    )
    .await?;
    Ok((row.get(0), row.get(1)))
}

/// Makes a piece of evidence. False where its id is in use by now: then whoever has it has committed.
///
/// # Errors
/// The database does not answer.
pub async fn insert(
    tx: &Transaction,
    organisation_id: Uuid,
    evidence: &NewEvidence<'_>,
) -> Result<bool, StorageError> {
    let inserted = tx.run(
        "insert into evidence (organisation_id, id, session_id, item_id, evidence_type, sha256, content_type, metadata,
                               uploaded_by, receipt)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict (organisation_id, id) do nothing",
        &[
            &organisation_id,
            &evidence.id,
            &evidence.session_id,
            &evidence.item_id,
            &evidence.evidence_type,
            &evidence.sha256,
            &evidence.content_type,
            &evidence.metadata,
            &evidence.uploaded_by,
            &evidence.receipt,
        ],
    )
    .await?;
    Ok(inserted == 1)
}

/// Compares a piece of evidence with the metadata with which it is brought again. Numbers are the same by their value.
///
/// # Errors
/// The database does not answer.
pub async fn repetition(
    on: &impl Executor,
    organisation_id: Uuid,
    id: Uuid,
    metadata: &Value,
) -> Result<Repetition, StorageError> {
    let row = sql::one(
        on,
        "select receipt, array (select key from jsonb_each(e.metadata) a full join jsonb_each($3) b using (key)
                                where a.value is distinct from b.value order by key)
         from evidence e where organisation_id = $1 and id = $2",
        &[&organisation_id, &id, &metadata],
    )
    .await?;
    Ok(Repetition { receipt: row.get(0), metadata_differs: row.get(1) })
}

const COLUMNS: &str =
    "id, session_id, item_id, evidence_type, sha256, size_bytes, content_type, metadata, status,
    flag_reason, flagged_by, flagged_at, uploaded_by, e.created_at, storage_key";

/// Finds a piece of evidence of the organisation.
///
/// # Errors
/// The database does not answer.
pub async fn find(
    on: &impl Executor,
    organisation_id: Uuid,
    id: Uuid,
) -> Result<Option<Evidence>, StorageError> {
    find_held(on, organisation_id, id, "").await
}

/// The same, held alone until the transaction ends, to change it.
///
/// # Errors
/// The database does not answer.
pub async fn find_to_change(
    tx: &Transaction,
    organisation_id: Uuid,
    id: Uuid,
) -> Result<Option<Evidence>, StorageError> {
    find_held(tx, organisation_id, id, "for update of e").await
}

async fn find_held(
    on: &impl Executor,
    organisation_id: Uuid,
    id: Uuid,
    hold: &str,
) -> Result<Option<Evidence>, StorageError> {
    let sql = format!(
        "select {COLUMNS} from evidence e join evidence_blobs b using (organisation_id, sha256)
         where organisation_id = $1 and id = $2 {hold}"
    );
    Ok(sql::optional(on, &sql, &[&organisation_id, &id]).await?.as_ref().map(read))
}

/// One page of a session's evidence, newest first.
///
/// # Errors
/// The database does not answer.
pub async fn list(
    on: &impl Executor,
    organisation_id: Uuid,
    session_id: Uuid,
    filter: &EvidenceFilter,
    walk: &Walk,
) -> Result<Page<Evidence>, StorageError> {
    let (at, id) = walk.key();
    let rows = on
        .rows(
            &format!(
                "select {COLUMNS} from
                     (select * from evidence where organisation_id = $1 and {}
                      and session_id = $7 and ($8::text is null or item_id = $8) and ($9::text is null or status = $9)
                      order by created_at desc, id desc limit $6) e
                 join evidence_blobs b using (organisation_id, sha256)
                 order by e.created_at desc, id desc",
                in_walk!()
            ),
            &[
                &organisation_id,
                &walk.horizon.snapshot,
                &walk.horizon.began_at,
                &at,
                &id,
                &(walk.limit + 1),
                &session_id,
                &filter.item_id,
                &filter.status,
            ],
        )
        .await?;
    let evidence = rows.iter().map(read).collect();
    Ok(Page::cut(evidence, walk, |evidence: &Evidence| (evidence.created_at, evidence.id)))
}

/// Flags a piece of evidence for review, or takes the flag off it.
///
/// # Errors
/// The database does not answer.
pub async fn set_flag(
    tx: &Transaction,
    organisation_id: Uuid,
    id: Uuid,
    flag: Option<(&str, Uuid)>,
) -> Result<(), StorageError> {
    let (reason, by) = flag.unzip();
    tx.run(
        "update evidence set flag_reason = $3, flagged_by = $4,
             status = case when $3::text is null then 'verified' else 'flagged' end,
             flagged_at = case when $3::text is null then null else now() end
         where organisation_id = $1 and id = $2",
        &[&organisation_id, &id, &reason, &by],
    )
    .await?;
    Ok(())
}

fn read(row: &Row) -> Evidence {
    let flag = || Some(Flag { reason: row.get::<_, Option<_>>(9)?, by: row.get(10), at: row.get(11) });
    Evidence {
        id: row.get(0),
        session_id: row.get(1),
        item_id: row.get(2),
        evidence_type: row.get(3),
        sha256: row.get(4),
        size_bytes: row.get(5),
        content_type: row.get(6),
        metadata: row.get(7),
        status: row.get(8),
        flag: flag(),
        uploaded_by: row.get(12),
        created_at: row.get(13),
        storage_key: row.get(14),
    }
}
