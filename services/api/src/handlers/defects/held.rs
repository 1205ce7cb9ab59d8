//! A defect that a transaction holds while somebody does something about it.

use firemode_domain::defect::{Deed, DefectClass, DefectStatus};
use firemode_storage::defects::acts::{self, NewAct};
use firemode_storage::defects::read::{self, Defect};
use firemode_storage::places::{self, PlaceKey, PlaceOf};
use firemode_storage::{Transaction, audit, defects};
use firemode_web::Problem;
use serde_json::json;
use time::{Date, OffsetDateTime};
use uuid::Uuid;

use super::{NOUN, no_such_defect};
use crate::call::Call;
use crate::object::on_record;

/// A defect about whose thing nobody else does anything until the transaction ends.
pub(super) struct HeldDefect<'t> {
    pub(super) call: &'t Call,
    pub(super) tx: &'t Transaction,
    pub(super) defect: Defect,
    /// When this is done.
    pub(super) now: OffsetDateTime,
}

impl<'t> HeldDefect<'t> {
    /// The defect that a path names.
    pub(super) async fn find(call: &'t Call, tx: &'t Transaction, id: Uuid) -> Result<Self, Problem> {
        let organisation_id = call.organisation_id();
        let find = async || read::find(tx, organisation_id, id, None).await?.ok_or_else(no_such_defect);
        defects::lock_subject(tx, organisation_id, find().await?.subject_id).await?;
        // As it was before the lock, it may not be any more.
        Ok(Self { call, tx, defect: find().await?, now: OffsetDateTime::now_utc() })
    }

    /// The day at its building.
    pub(super) async fn today(&self) -> Result<Date, Problem> {
        day_at(self.call, self.tx, self.defect.building_id, self.now).await
    }

    /// Puts something that the caller did about it on record. It shows once the defect is read [`Self::again`].
    pub(super) async fn record(&self, deed: &Deed, at: OffsetDateTime) -> Result<(), Problem> {
        let Defect { id, subject_id, building_id, status, classification, assigned_to, .. } = self.defect;
        let of = Subject { subject_id, building_id };
        let was = json!(Before { status, classification, assigned_to });
        record(self.call, self.tx, (id, Uuid::now_v7()), of, deed, at, Some(was)).await
    }

    /// The defect with what was done about it.
    pub(super) async fn again(self) -> Result<Defect, Problem> {
        worked_out(self.call, self.tx, self.defect.id, self.defect.subject_id).await
    }

    /// The same, for something that is done after that.
    pub(super) async fn held_again(self) -> Result<Self, Problem> {
        let Self { call, tx, now, .. } = self;
        Ok(Self { call, tx, now, defect: self.again().await? })
    }
}

/// What is defective, and where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject {
    pub(super) subject_id: Uuid,
    pub(super) building_id: Uuid,
}

/// What the audit log says that a defect was before something was done about it.
#[derive(serde::Serialize)]
struct Before {
    status: DefectStatus,
    classification: DefectClass,
    assigned_to: Option<Uuid>,
}

/// Records what the caller did about a defect, as an act and in the audit log.
pub(super) async fn record(
    call: &Call,
    tx: &Transaction,
    (defect_id, id): (Uuid, Uuid),
    Subject { subject_id, building_id }: Subject,
    deed: &Deed,
    at: OffsetDateTime,
    was: Option<serde_json::Value>,
) -> Result<(), Problem> {
    let (organisation_id, user_id) = (call.organisation_id(), call.user_id());
    let act = NewAct { id, organisation_id, defect_id, subject_id, building_id, user_id, at, deed };
    acts::record(tx, &act).await?;
    let commitments = audit::commitments(tx, organisation_id, defect_id).await?;
    let is = on_record(&commitments, deed)?;
    call.record(tx, deed.action(), (NOUN, defect_id), was, is).await
}

/// A defect as it is with all that is known of its thing by now.
pub(super) async fn worked_out(
    call: &Call,
    tx: &Transaction,
    id: Uuid,
    subject_id: Uuid,
) -> Result<Defect, Problem> {
    defects::refold(tx, call.organisation_id(), subject_id).await?;
    let defect = read::find(tx, call.organisation_id(), id, None).await?;
    defect.ok_or_else(|| Problem::internal("a defect is gone after an act about it"))
}

/// The day at a building.
pub(super) async fn day_at(
    call: &Call,
    tx: &Transaction,
    building_id: Uuid,
    at: OffsetDateTime,
) -> Result<Date, Problem> {
    let key = PlaceKey::now(call.organisation_id(), PlaceOf::Building(building_id));
    let place = places::find(tx, key).await?;
    let place = place.ok_or_else(|| Problem::internal("the building of a defect is not there"))?;
    Ok(place.day(at))
}
