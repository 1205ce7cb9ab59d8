//! Rows of exports as clients see them.

use std::collections::{BTreeMap, HashSet};

use data_encoding::HEXLOWER;
use firemode_domain::document::{ChangeHash, ChangeSummary, SessionDocument, Standing, Touch};
use firemode_domain::session::LateState;
use firemode_storage::StorageError;
use firemode_storage::assets::Asset;
use firemode_storage::audit::{AuditRow, believed};
use firemode_storage::buildings::Building;
use firemode_storage::changes::change_hash;
use firemode_storage::documents::Needs;
use firemode_storage::exports::{Fed, FedChange, FedDefect, FedItem, FedObservation, FedSession, Walk};
use firemode_storage::measures::Measure;
use firemode_web::Problem;
use serde::Serialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::handlers::audit::AuditView;
use crate::people::People;
use crate::state::ApiState;

/// Changes that were told again in a pass. They waited for others, and of such there are few.
pub(super) type Seen = HashSet<(Uuid, Vec<u8>)>;

/// Rows that can be exported.
pub(super) trait Shown: Fed + 'static {
    /// A row as it is shown.
    type View: Serialize;

    /// Its fields, in the order in which CSV has them.
    const COLUMNS: &'static [&'static str];

    /// What is shown of a page.
    ///
    /// # Errors
    /// The database does not answer.
    async fn shown(
        state: &ApiState,
        organisation_id: Uuid,
        walk: &Walk,
        seen: &mut Seen,
        rows: Vec<Self>,
    ) -> Result<Vec<Self::View>, Problem>;
}

/// Rows that are shown as they are read.
macro_rules! shown_as_read {
    ($($row:ty: [$($column:literal),+ $(,)?];)+) => {
        $(impl Shown for $row {
            type View = Self;

            const COLUMNS: &'static [&'static str] = &[$($column),+];

            async fn shown(_: &ApiState, _: Uuid, _: &Walk, _: &mut Seen, rows: Vec<Self>) -> Result<Vec<Self>, Problem> {
                Ok(rows)
            }
        })+
    };
}

shown_as_read! {
    FedSession: [
        "id", "building_id", "status", "technician_id", "created_by", "item_count", "created_at", "updated_at", "completed_at",
    ];
    FedItem: [
        "session_id", "item_id", "is_removed", "building_id", "asset_id", "item_code", "section", "outcome", "observed_at", "local_date",
        "known_from",
    ];
    FedDefect: [
        "id", "is_removed", "number", "building_id", "measure_id", "asset_id", "item_id", "session_id", "source", "item_code", "condition",
        "classification", "is_overridden", "description", "location", "section", "status", "provisional", "assigned_to", "opened_at",
        "observed_at", "received_at", "clock_suspect", "local_date", "observations", "observation_ids", "last_observed_at", "passes_since",
        "needs_review", "superseded_by", "interim_measures", "deferral", "scheduled_for", "repaired_at", "repaired_by", "verified_by",
        "reopens", "rule", "evidence", "external_id", "metadata", "from_history",
    ];
    FedObservation: [
        "id", "is_removed", "session_id", "item_id", "building_id", "asset_id", "item_code", "section", "observed_at", "received_at",
        "clock_suspect", "known_from", "outcome", "condition", "measurements", "classification", "rule", "superseded_by", "late",
        "in_conflict", "evidence",
    ];
}

/// Rows of registers are shown by the fields with which they are made, and whether they are active.
macro_rules! shown_as_made {
    ($($row:ty: [$($column:literal),+ $(,)?];)+) => {
        $(impl Shown for $row {
            type View = Map<String, Value>;

            const COLUMNS: &'static [&'static str] = &[$($column),+];

            async fn shown(
                _: &ApiState,
                _: Uuid,
                _: &Walk,
                _: &mut Seen,
                rows: Vec<Self>,
            ) -> Result<Vec<Self::View>, Problem> {
                rows.iter().map(|row| fields(row, Self::COLUMNS)).collect()
            }
        })+
    };
}

shown_as_made! {
    Building: [
        "id", "external_id", "site_name", "site_address", "building_class", "jurisdiction", "time_zone", "statement_anchor_on", "metadata",
        "is_active",
    ];
    Asset: [
        "id", "building_id", "item_code", "section", "label", "location", "installed_on", "measure_id", "metadata", "is_active",
    ];
    Measure: [
        "id", "building_id", "external_id", "name", "section", "standard_of_performance", "maintenance_standard", "performance_solution",
        "is_critical", "statement_interval_months",
    ];
}

fn fields(row: &impl Serialize, names: &[&str]) -> Result<Map<String, Value>, Problem> {
    let mut row = serde_json::to_value(row).map_err(Problem::internal)?;
    Ok(names.iter().map(|name| ((*name).to_owned(), row[*name].take())).collect())
}

impl Shown for AuditRow {
    type View = Map<String, Value>;

    const COLUMNS: &'static [&'static str] = &[
        "id",
        "action",
        "actor",
        "resource",
        "status",
        "transaction_id",
        "before",
        "after",
        "leaf_hash",
        "replaces",
        "at",
    ];

    async fn shown(
        _: &ApiState,
        _: Uuid,
        _: &Walk,
        _: &mut Seen,
        rows: Vec<Self>,
    ) -> Result<Vec<Self::View>, Problem> {
        let nobody = People::default();
        let entries = rows.into_iter().filter_map(believed);
        entries.map(|entry| fields(&AuditView::of(entry, &nobody), Self::COLUMNS)).collect()
    }
}

/// A change of a session's document.
#[derive(Debug, Serialize)]
pub(crate) struct ResultView {
    hash: String,
    session_id: Uuid,
    /// Automerge actor, in hex.
    actor: String,
    seq: i64,
    user_id: Uuid,
    device: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    received_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    stated_at: Option<OffsetDateTime>,
    clock_suspect: bool,
    /// None where the session's document is too large to be read.
    standing: Option<Standing>,
    late: Option<LateState>,
    touched: Vec<Touch>,
    touched_more: bool,
}

impl Shown for FedChange {
    type View = ResultView;

    const COLUMNS: &'static [&'static str] = &[
        "hash",
        "session_id",
        "actor",
        "seq",
        "user_id",
        "device",
        "received_at",
        "stated_at",
        "clock_suspect",
        "standing",
        "late",
        "touched",
        "touched_more",
    ];

    async fn shown(
        state: &ApiState,
        organisation_id: Uuid,
        walk: &Walk,
        seen: &mut Seen,
        rows: Vec<Self>,
    ) -> Result<Vec<ResultView>, Problem> {
        let mut of_session: BTreeMap<Uuid, Vec<FedChange>> = BTreeMap::new();
        for row in rows {
            of_session.entry(row.session_id).or_default().push(row);
        }
        let mut shown = Vec::new();
        for (session_id, changes) in of_session {
            let (told, waited) =
                summarized(state, (organisation_id, session_id), changes, !walk.is_whole()).await?;
            shown.extend(told);
            let waited: Vec<ChangeHash> =
                waited.into_iter().filter(|hash| seen.insert((session_id, hash.as_ref().to_vec()))).collect();
            if !waited.is_empty() {
                let tx = state.database.tenant(organisation_id).read().await?;
                let again = walk.told_before(&tx, session_id, &waited).await?;
                drop(tx);
                shown.extend(summarized(state, (organisation_id, session_id), again, false).await?.0);
            }
        }
        Ok(shown)
    }
}

/// Changes of a session with what they did, and, where that is asked for, which others waited for them.
async fn summarized(
    state: &ApiState,
    key: (Uuid, Uuid),
    changes: Vec<FedChange>,
    with_waited: bool,
) -> Result<(Vec<ResultView>, Vec<ChangeHash>), Problem> {
    let hashes = changes.iter().map(|change| change_hash(&change.hash)).collect::<Result<Vec<_>, _>>()?;
    let bytes: Vec<Vec<u8>> = changes.iter().map(|change| change.bytes.clone()).collect();
    let look = move |document: &SessionDocument| {
        let of_each = hashes.iter().zip(&bytes);
        let summaries: Vec<ChangeSummary> =
            of_each.map(|(hash, bytes)| document.summary_of(hash, bytes)).collect();
        let waited = hashes.iter().filter(|_| with_waited).flat_map(|hash| document.waited_for(hash));
        (summaries, waited.collect::<Vec<_>>())
    };
    match state.documents.read(&state.database, key, Needs::Changes, look).await {
        Ok(((summaries, waited), _room)) => {
            let shown =
                changes.into_iter().zip(summaries).map(|(change, summary)| view(change, Some(summary)));
            Ok((shown.collect(), waited))
        }
        // What it wrote cannot be told, and that it was written can.
        Err(StorageError::TooLarge { .. }) => {
            Ok((changes.into_iter().map(|change| view(change, None)).collect(), Vec::new()))
        }
        Err(error) => Err(error.into()),
    }
}

fn view(change: FedChange, summary: Option<ChangeSummary>) -> ResultView {
    let is_cut = summary.as_ref().is_none_or(|summary| summary.is_cut);
    ResultView {
        hash: HEXLOWER.encode(&change.hash),
        session_id: change.session_id,
        actor: HEXLOWER.encode(&change.actor),
        seq: change.seq,
        user_id: change.user_id,
        device: change.device,
        received_at: change.received_at,
        stated_at: summary.as_ref().and_then(|summary| summary.stated_at.at),
        clock_suspect: summary.as_ref().is_some_and(|summary| summary.stated_at.is_suspect),
        standing: summary.as_ref().map(|summary| summary.standing),
        late: change.late,
        touched: summary.map(|summary| summary.touched).unwrap_or_default(),
        touched_more: is_cut,
    }
}
