//! Adding changes, of one session or of many at once.

use time::OffsetDateTime;
use uuid::Uuid;

use super::{NewChange, Origin};
use crate::sql::{self, Statement, params};
use crate::{StorageError, Transaction};

/// A change and where it comes from.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// Where it belongs and who brings it.
    pub origin: Origin,
    /// The change.
    pub change: NewChange,
    /// Stored, but not part of the document until a manager accepts it.
    pub is_late: bool,
}

/// Adds changes of one session to its record; those that are there already stay as they are. Returns when they were
/// received.
///
/// # Errors
/// As [`insert_all`].
pub async fn insert(
    tx: &Transaction,
    origin: &Origin,
    changes: &[NewChange],
) -> Result<OffsetDateTime, StorageError> {
    let arrival = |change: &NewChange| Arrival { origin: *origin, change: change.clone(), is_late: false };
    insert_all(tx, changes.iter().map(arrival).collect()).await?;
    received_at(tx).await
}

/// When the changes that this transaction adds count as received: when it began.
///
/// # Errors
/// The database does not answer.
pub async fn received_at(tx: &Transaction) -> Result<OffsetDateTime, StorageError> {
    Ok(sql::one(tx, "select now()", &[]).await?.get(0))
}

/// Adds changes of any sessions; those that are there already stay as they are.
///
/// # Errors
/// [`EQUIVOCATION`](super::EQUIVOCATION) or [`OPERATION_APPLIED`](super::OPERATION_APPLIED) as constraint, or the database
/// does not answer.
pub async fn insert_all(tx: &Transaction, mut arrivals: Vec<Arrival>) -> Result<(), StorageError> {
    for statement in insertions(&mut arrivals) {
        statement.rows(tx).await?;
    }
    Ok(())
}

/// The statements of [`insert_all`].
pub(crate) fn insertions(arrivals: &mut [Arrival]) -> Vec<Statement<'_>> {
    // Sorted, so that two batches that share rows cannot wait for each other in a circle.
    arrivals.sort_by(|a, b| key(a).cmp(&key(b)));
    let of_all = (!arrivals.is_empty()).then(|| insert_changes(arrivals));
    of_all.into_iter().chain(insert_operation_ids(arrivals)).chain(insert_late(arrivals)).collect()
}

fn key(arrival: &Arrival) -> (Uuid, &[u8]) {
    (arrival.origin.session_id, &arrival.change.hash)
}

fn insert_changes(arrivals: &[Arrival]) -> Statement<'_> {
    let origin = |of: fn(&Origin) -> Uuid| arrivals.iter().map(|a| of(&a.origin)).collect::<Vec<_>>();
    let bytes =
        |of: fn(&NewChange) -> &[u8]| arrivals.iter().map(move |a| of(&a.change)).collect::<Vec<&[u8]>>();
    let seqs: Vec<i64> = arrivals.iter().map(|a| a.change.seq).collect();
    let start_ops: Vec<i64> = arrivals.iter().map(|a| a.change.start_op).collect();
    let deps: Vec<Vec<u8>> = arrivals.iter().map(|a| a.change.deps.concat()).collect();
    let devices: Vec<Option<&str>> = arrivals.iter().map(|a| a.change.device.as_deref()).collect();
    // The conflict target is named: without it an (actor, seq) collision would be swallowed too, a silent loss. An array of
    // arrays must be rectangular, so each list of dependencies travels as one string of bytes, 32 to a hash.
    Statement::new(
        "insert into session_changes
             (session_id, organisation_id, user_id, instance_id, hash, actor, seq, start_op, bytes, device, deps)
         select c.session_id, c.organisation_id, c.user_id, c.instance_id, c.hash, c.actor, c.seq, c.start_op, c.bytes,
                c.device, array (select substr(c.deps, i, 32) from generate_series(1, length(c.deps), 32) i)
         from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::bytea[], $6::bytea[], $7::int8[], $8::int8[],
                     $9::bytea[], $10::text[], $11::bytea[])
                  as c (session_id, organisation_id, user_id, instance_id, hash, actor, seq, start_op, bytes, device, deps)
         on conflict (session_id, hash) do nothing",
        params![
            origin(|origin| origin.session_id),
            origin(|origin| origin.organisation_id),
            origin(|origin| origin.user_id),
            origin(|origin| origin.process_id.as_uuid()),
            bytes(|change| &change.hash),
            bytes(|change| &change.actor),
            seqs,
            start_ops,
            bytes(|change| &change.bytes),
            devices,
            deps,
        ],
    )
}

fn insert_operation_ids(arrivals: &[Arrival]) -> Option<Statement<'_>> {
    let (mut sessions, mut organisations, mut users) = (Vec::new(), Vec::new(), Vec::new());
    let (mut devices, mut ids, mut hashes) = (Vec::new(), Vec::new(), Vec::new());
    for Arrival { origin, change, .. } in arrivals {
        for op_id in &change.op_ids {
            sessions.push(origin.session_id);
            organisations.push(origin.organisation_id);
            users.push(origin.user_id);
            devices.push(change.device.as_deref());
            ids.push(op_id.as_str());
            hashes.push(change.hash.as_slice());
        }
    }
    let is_any = !ids.is_empty();
    is_any.then(|| {
        Statement::new(
            "insert into session_operations (session_id, organisation_id, user_id, device, op_id, hash)
             select o.session_id, o.organisation_id, o.user_id, o.device, o.op_id, o.hash
             from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::bytea[])
                      as o (session_id, organisation_id, user_id, device, op_id, hash)
             order by o.session_id, o.user_id, o.device, o.op_id",
            params![sessions, organisations, users, devices, ids, hashes],
        )
    })
}

fn insert_late(arrivals: &[Arrival]) -> Option<Statement<'_>> {
    let late: Vec<&Arrival> = arrivals.iter().filter(|arrival| arrival.is_late).collect();
    let sessions: Vec<Uuid> = late.iter().map(|arrival| arrival.origin.session_id).collect();
    let organisations: Vec<Uuid> = late.iter().map(|arrival| arrival.origin.organisation_id).collect();
    let hashes: Vec<&[u8]> = late.iter().map(|arrival| arrival.change.hash.as_slice()).collect();
    let is_any = !late.is_empty();
    is_any.then(|| {
        Statement::new(
            "insert into late_changes (session_id, organisation_id, hash)
             select l.session_id, l.organisation_id, l.hash
             from unnest($1::uuid[], $2::uuid[], $3::bytea[]) as l (session_id, organisation_id, hash)
             on conflict do nothing",
            params![sessions, organisations, hashes],
        )
    })
}
