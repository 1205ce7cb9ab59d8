//! Evidence that may be there already, under an id that the device made.

use data_encoding::HEXLOWER;
use firemode_domain::input::{FieldError, ItemId};
use firemode_storage::Executor;
use firemode_storage::evidence::{self, Evidence};
use firemode_storage::sessions::Hold;
use firemode_web::wire::EvidenceFields;
use firemode_web::{Problem, catalogue};
use uuid::Uuid;

use super::check_session;

/// Finds this evidence, if it is stored.
///
/// # Errors
/// 409 where its id stands for other content, or for another session, item or type: with what is stored.
pub(super) async fn find(
    on: &impl Executor,
    organisation_id: Uuid,
    fields: &EvidenceFields,
) -> Result<Option<Evidence>, Problem> {
    let Some(id) = fields.evidence_id else { return Ok(None) };
    let known = evidence::find(on, organisation_id, id).await?;
    known.map(|known| the_same(known, fields)).transpose()
}

/// Is the evidence there already, or does its session take it?
///
/// # Errors
/// As [`find`] and [`check_session`].
pub(crate) async fn check(
    on: &impl Executor,
    organisation_id: Uuid,
    fields: &EvidenceFields,
) -> Result<(), Problem> {
    if find(on, organisation_id, fields).await?.is_some() {
        return Ok(());
    }
    check_session(on, organisation_id, fields.session_id, Hold::None).await
}

fn the_same(known: Evidence, fields: &EvidenceFields) -> Result<Evidence, Problem> {
    let (hash, item) = (HEXLOWER.encode(&known.sha256), known.item_id.as_deref().unwrap_or("none"));
    let session = known.session_id.to_string();
    let stored = [
        ("sha256_hash", hash.as_str(), fields.sha256_hash.is(&hash)),
        ("session_id", session.as_str(), known.session_id == fields.session_id),
        // An earlier release stored it as it was spelled.
        ("item_id", item, known.item_id.clone().map(ItemId::from) == fields.item_id),
        ("evidence_type", known.evidence_type.as_str(), known.evidence_type == fields.evidence_type),
    ];
    if stored.iter().all(|(_, _, is_same)| *is_same) {
        return Ok(known);
    }
    let all: Vec<String> = stored.iter().map(|(name, value, _)| format!("{name} {value}")).collect();
    let detail = format!(
        "The evidence_id is taken. Stored under it: {}, {} bytes. Send other evidence under another id.",
        all.join(", "),
        known.size_bytes
    );
    let differing = stored.iter().filter(|(_, _, is_same)| !is_same).map(|(name, value, _)| {
        FieldError::new(*name, format!("is another one than that of the stored evidence: {value}"))
    });
    Err(Problem::of(catalogue::EXISTS, detail).about(differing.collect()))
}
