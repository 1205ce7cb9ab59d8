//! Evidence: its bytes once per tenant and content, and each use of them.

use std::collections::{BTreeSet, HashMap};

use firemode_domain::body;
use firemode_domain::evidence::{EvidenceStatus, EvidenceType};
use firemode_domain::input::{ClientKey, ItemId};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::page::{Keyset, Listing, Page};
use crate::row::{Row as _, row};
use crate::{Executor, StorageError, Transaction, sql};

row! {
    /// A piece of evidence.
    #[derive(Debug, Clone)]
    pub struct Evidence {
        /// Its id, from the device or from us.
        pub id: Uuid,
        /// The session that it belongs to.
        pub session_id: Uuid,
        /// The item that it shows.
        pub item_id: Option<String>,
        /// What it is.
        pub evidence_type: EvidenceType,
        /// SHA-256 of the bytes.
        pub sha256: Vec<u8>,
        /// Number of bytes.
        pub size_bytes: i64,
        /// Media type, found by looking at the bytes.
        pub content_type: String,
        /// What the device says about it.
        pub metadata: Value,
        /// What the device calls the file, where a form said so.
        pub file_name: Option<String>,
        /// Where it stands.
        pub status: EvidenceStatus,
        /// Why it is to be reviewed, where it is flagged.
        pub flag_reason: Option<String>,
        /// Whose wish that is.
        pub flagged_by: Option<Uuid>,
        /// Since when.
        pub flagged_at: Option<OffsetDateTime>,
        /// Who uploaded it.
        pub uploaded_by: Uuid,
        /// When.
        pub created_at: OffsetDateTime,
        /// Where the store keeps the bytes.
        pub storage_key: String,
    }
}

body! {
    /// Which evidence of a session is wanted.
    #[derive(Debug, Default)]
    pub struct EvidenceFilter {
        /// Evidence of one item.
        pub item_id: Option<ClientKey<128>>,
        /// Evidence with one status.
        pub status: Option<EvidenceStatus>,
    }
}

body! {
    /// Which evidence of an organisation is wanted.
    #[derive(Debug, Default)]
    pub struct OrganisationEvidenceFilter {
        /// Only evidence that somebody is to look at, or only the rest.
        pub flagged: Option<bool>,
        /// Evidence of one building.
        pub building_id: Option<Uuid>,
        /// Evidence of one session.
        pub session_id: Option<Uuid>,
    }
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
    pub evidence_type: EvidenceType,
    /// See [`Evidence::sha256`].
    pub sha256: &'a [u8],
    /// See [`Evidence::content_type`].
    pub content_type: &'a str,
    /// See [`Evidence::metadata`].
    pub metadata: &'a Value,
    /// See [`Evidence::file_name`].
    pub file_name: Option<&'a str>,
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

/// Notes stored bytes, unless the tenant has the same ones already. Returns the key under which they are kept, which is not
/// `storage_key` then, and when the transaction began: that is the time of all that it makes.
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

/// Makes a piece of evidence. False where its id is in use: then the transaction that has it has committed.
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
                               uploaded_by, receipt, file_name)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict (organisation_id, id) do nothing",
        &[
            &organisation_id,
            &evidence.id,
            &evidence.session_id,
            &evidence.item_id,
            &evidence.evidence_type.as_str(),
            &evidence.sha256,
            &evidence.content_type,
            &evidence.metadata,
            &evidence.uploaded_by,
            &evidence.receipt,
            &evidence.file_name,
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

/// Evidence of a table with what is known of its bytes, as [`Evidence`] has it.
fn select_from(evidence: &str) -> String {
    format!(
        "select {} from {evidence} e
         join (select organisation_id, sha256, size_bytes, storage_key from evidence_blobs) b using (organisation_id, sha256)",
        Evidence::columns()
    )
}

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

/// The building of each of these pieces of evidence that the organisation has.
///
/// # Errors
/// The database does not answer.
pub async fn buildings_of(
    on: &impl Executor,
    organisation_id: Uuid,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, Uuid>, StorageError> {
    let sql = "select e.id, s.building_id from evidence e
               join test_sessions s on s.organisation_id = e.organisation_id and s.id = e.session_id
               where e.organisation_id = $1 and e.id = any ($2)";
    let rows = on.rows(sql, &[&organisation_id, &ids]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// The same as [`find`], held alone until the transaction ends, to change it.
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
    let sql = format!("{} where organisation_id = $1 and id = $2 {hold}", select_from("evidence"));
    sql::optional(on, &sql, &[&organisation_id, &id]).await?.as_ref().map(Evidence::read).transpose()
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
    keyset: &Keyset,
) -> Result<Page<Evidence>, StorageError> {
    Listing::of("evidence", organisation_id, keyset)
        .only("session_id = {}", session_id)
        .any_of("item_id", filter.item_id.iter().flat_map(spellings))
        .where_if(filter.status.map(has_status))
        .page_from(on, Evidence::read, select_from)
        .await
}

/// One page of an organisation's evidence, newest first.
///
/// # Errors
/// The database does not answer.
pub async fn list_of_organisation(
    on: &impl Executor,
    organisation_id: Uuid,
    filter: &OrganisationEvidenceFilter,
    keyset: &Keyset,
) -> Result<Page<Evidence>, StorageError> {
    let status = |is_flagged| if is_flagged { EvidenceStatus::Flagged } else { EvidenceStatus::Verified };
    Listing::of("evidence", organisation_id, keyset)
        .only_if("building_id = {}", filter.building_id)
        .only_if("session_id = {}", filter.session_id)
        .where_if(filter.flagged.map(status).map(has_status))
        .page_from(on, Evidence::read, select_from)
        .await
}

/// The condition that evidence has a status, as indexes have it.
fn has_status(status: EvidenceStatus) -> &'static str {
    match status {
        EvidenceStatus::Flagged => "status = 'flagged'",
        EvidenceStatus::Verified => "status = 'verified'",
    }
}

/// How an item may be spelled in a row: as we write it, or as it was sent to an earlier release.
fn spellings(sent: &ClientKey<128>) -> BTreeSet<String> {
    let sent = sent.to_string();
    [ItemId::<128>::from(sent.clone()).into(), sent].into()
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
