//! What a defect may refer to: things of its own organisation and building.

use firemode_domain::input::{At, Faults, List};
use firemode_storage::{Transaction, evidence, users};
use firemode_web::Problem;
use uuid::Uuid;

use crate::call::Call;

/// Evidence that is named in one request.
pub(super) type EvidenceIds = List<Uuid, 0, 100>;

/// The ids, each once.
pub(super) fn ids(named: Option<EvidenceIds>) -> Vec<Uuid> {
    let mut ids = named.map(|named| named.0).unwrap_or_default();
    let mut seen = std::collections::HashSet::new();
    ids.retain(|id| seen.insert(*id));
    ids
}

/// Names each piece of evidence that is not of the building.
pub(super) async fn check_evidence(
    call: &Call,
    tx: &Transaction,
    building_id: Uuid,
    named: Option<&EvidenceIds>,
    faults: &mut Faults,
) -> Result<(), Problem> {
    let Some(List(ids)) = named else { return Ok(()) };
    let buildings = evidence::buildings_of(tx, call.organisation_id(), ids).await?;
    for (index, id) in ids.iter().enumerate() {
        let why = match buildings.get(id) {
            None => "is not evidence of your organisation",
            Some(building) if *building != building_id => "is evidence of another building",
            Some(_) => continue,
        };
        faults.add(&At::Entry(&At::named("evidence"), index), why);
    }
    Ok(())
}

/// Is this somebody who can see to a defect?
pub(super) async fn check_assignee(
    call: &Call,
    tx: &Transaction,
    user_id: Option<Uuid>,
    faults: &mut Faults,
) -> Result<(), Problem> {
    let Some(user_id) = user_id else { return Ok(()) };
    match users::find(tx, call.organisation_id(), user_id).await? {
        None => faults.add(&At::named("assigned_to"), "is not a user of your organisation"),
        Some(user) if !user.is_active => faults.add(&At::named("assigned_to"), "is disabled"),
        Some(_) => {}
    }
    Ok(())
}
