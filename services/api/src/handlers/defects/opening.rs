//! Defects that people find without a session.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use firemode_domain::body;
use firemode_domain::classification::Section;
use firemode_domain::defect::recording::TimeOfAct;
use firemode_domain::defect::{Deed, DefectClass, DefectSource, Opening, subject_of};
use firemode_domain::input::{At, Becomes as _, ClientKey, Faults, ItemId, Line, Metadata, Text, Time};
use firemode_domain::role::Role;
use firemode_storage::assets::Asset;
use firemode_storage::buildings::Building;
use firemode_storage::defects::acts;
use firemode_storage::defects::read::Defect;
use firemode_storage::measures::Measure;
use firemode_storage::sessions::Session;
use firemode_storage::{Hold, Table, Transaction, defects, table};
use firemode_web::{Body, IdempotencyKey, Outcome, Problem, catalogue, refuse};
use time::OffsetDateTime;
use uuid::Uuid;

use super::held::{Subject, day_at, record, worked_out};
use super::links::{self, EvidenceIds};
use super::transitions::check_is_alone;
use super::{DefectView, named, tag};
use crate::call::Call;

body! {
    /// A defect that somebody found.
    #[derive(Debug, Clone)]
    pub(crate) struct OpenDefect like {
        "building_id": "01a1fc48-aaab-75d3-91f1-3e1c86c07f58", "classification": "non_critical_defect",
        "description": "Exit sign by stair 2 is dark.", "location": "Level 3, stair 2"
    } {
        /// The building.
        building_id: Uuid,
        /// The asset; left out: it is of none, or nobody knows of which.
        asset_id: Option<Uuid>,
        /// The item, where it is of no asset: as sessions of the building call it.
        item_id: Option<ItemId<128>>,
        /// The session in which it was found.
        session_id: Option<Uuid>,
        /// The measure of the schedule; left out: the asset's.
        measure_id: Option<Uuid>,
        /// Code of the item; left out: the asset's.
        item_code: Option<Line<64>> = "EXT-PRESSURE",
        /// The condition that was seen. A thing has one open defect of each.
        condition: Option<Line<128>> = "pressure_low",
        /// Its class; left out: it is to be classified.
        classification: Option<DefectClass>,
        /// What it is.
        description: Text<2000> = "Exit sign by stair 2 is dark.",
        /// Where it is; left out: where the asset is.
        location: Option<Line<500>> = "Level 3, stair 2",
        /// Section of AS 1851-2012; left out: the asset's.
        section: Option<Section>,
        /// Who is to see to it: managers say so.
        assigned_to: Option<Uuid>,
        /// Evidence of it, of the same building.
        evidence: Option<EvidenceIds>,
        /// When it was observed, where that is earlier.
        observed_at: Option<Time>,
        /// What another system calls it; once in the organisation.
        external_id: Option<ClientKey<200>> = "DEF-0012",
        /// Your own fields.
        metadata: Option<Metadata>,
    }
}

/// What a new defect is of.
struct Found {
    subject: Subject,
    asset: Option<Asset>,
}

/// Opens a defect
///
/// Defects of failed items open by themselves.
#[utoipa::path(post, path = "/v1/defects", tag = "defects", request_body = OpenDefect, params(IdempotencyKey),
    responses((status = 201, description = "Opened.", body = DefectView),
              (status = 409, description = "The same fault is open already, or another defect has this `external_id`.")))]
pub(crate) async fn open(
    body: Body<OpenDefect>,
    key: IdempotencyKey,
    call: Call,
) -> Result<HttpResponse, Problem> {
    if call.principal.role == Role::Technician && body.value.assigned_to.is_some() {
        return Err(Problem::forbidden("only a manager or an admin can assign a defect"));
    }
    let outcome = call
        .run_once(&key, &body.fingerprint, async |tx| {
            Outcome::new(
                StatusCode::CREATED,
                &DefectView::unnamed(made(&call, tx, body.value.clone()).await?),
            )
        })
        .await?;
    call.created(named(&call, outcome).await?, tag)
}

async fn made(call: &Call, tx: &Transaction, new: OpenDefect) -> Result<Defect, Problem> {
    let (organisation_id, now, id) = (call.organisation_id(), OffsetDateTime::now_utc(), Uuid::now_v7());
    let Found { subject, asset } = check(call, tx, &new, id).await?;
    defects::lock_subject(tx, organisation_id, subject.subject_id).await?;
    if let Some(condition) = new.condition.as_deref() {
        check_is_alone(call, tx, subject.subject_id, condition).await?;
    }
    if let Some(external_id) = new.external_id.as_deref() {
        check_external_id(call, tx, external_id, id).await?;
    }
    let TimeOfAct { at, clock_suspect } = TimeOfAct::of(new.observed_at.map(Time::get), None, now);
    let assigned_to = new.assigned_to;
    let local_date = day_at(call, tx, subject.building_id, at).await?;
    let opening = new.opening(asset, clock_suspect, local_date);
    record(call, tx, (id, id), subject, &Deed::Open(Box::new(opening)), at, None).await?;
    if assigned_to.is_some() {
        record(call, tx, (id, Uuid::now_v7()), subject, &Deed::Assign { assigned_to }, now, None).await?;
    }
    worked_out(call, tx, id, subject.subject_id).await
}

impl OpenDefect {
    fn opening(self, asset: Option<Asset>, clock_suspect: bool, local_date: time::Date) -> Opening {
        let of_asset = asset.as_ref();
        Opening {
            source: DefectSource::Manual,
            item_id: of_asset.map(|asset| asset.id.to_string()).or(self.item_id.map(String::from)),
            asset_id: of_asset.map(|asset| asset.id),
            session_id: self.session_id,
            measure_id: self.measure_id.or(of_asset.and_then(|asset| asset.measure_id)),
            item_code: self
                .item_code
                .map(Line::into_string)
                .or_else(|| of_asset.map(|asset| asset.item_code.clone())),
            condition: self.condition.becomes(),
            classification: self.classification.unwrap_or(DefectClass::Unclassified),
            description: self.description.becomes(),
            location: self
                .location
                .map(Line::into_string)
                .or_else(|| of_asset.map(|asset| asset.location.clone())),
            section: self.section.map(Section::to_i16).or(of_asset.and_then(|asset| asset.section)),
            local_date,
            clock_suspect,
            reopens: None,
            reason: None,
            evidence: links::ids(self.evidence),
            external_id: self.external_id.becomes(),
            metadata: self.metadata.unwrap_or_default().0,
        }
    }
}

/// Is all that a new defect refers to of its building? `id` names a fault that is of nothing else.
async fn check(call: &Call, tx: &Transaction, new: &OpenDefect, id: Uuid) -> Result<Found, Problem> {
    let mut faults = Faults::default();
    match table::find::<Building>(tx, call.organisation_id(), new.building_id, Hold::None).await? {
        None => faults.add(&At::named("building_id"), "is not a building of your organisation"),
        Some(building) if !building.is_active => faults.add(&At::named("building_id"), "is deactivated"),
        Some(_) => {}
    }
    if new.asset_id.is_some() && new.item_id.is_some() {
        faults.add(&At::named("item_id"), "is for what is of no asset; leave one of the two out");
    }
    let of_building = |asset: &Asset| asset.building_id == new.building_id;
    let named = in_building(call, tx, "asset_id", new.asset_id, of_building, &mut faults).await?;
    let of_building = |measure: &Measure| measure.building_id == new.building_id;
    in_building(call, tx, "measure_id", new.measure_id, of_building, &mut faults).await?;
    let of_building = |session: &Session| session.building_id == new.building_id;
    in_building(call, tx, "session_id", new.session_id, of_building, &mut faults).await?;
    links::check_evidence(call, tx, new.building_id, new.evidence.as_ref(), &mut faults).await?;
    links::check_assignee(call, tx, new.assigned_to, &mut faults).await?;
    refuse(faults)?;
    let asset = match (named, new.item_id.as_ref().and_then(|item| item.as_str().parse().ok())) {
        // An item with the id of an asset is that asset.
        (None, Some(asset_id)) => table::find::<Asset>(tx, call.organisation_id(), asset_id, Hold::None)
            .await?
            .filter(|asset| asset.building_id == new.building_id),
        (named, _) => named,
    };
    let of_nothing_else = id.to_string();
    let item_id = new.item_id.as_ref().map_or(of_nothing_else.as_str(), ItemId::as_str);
    let subject_id = subject_of(new.building_id, item_id, asset.as_ref().map(|asset| asset.id));
    Ok(Found { subject: Subject { subject_id, building_id: new.building_id }, asset })
}

/// What a field names, where it is there and in the building.
async fn in_building<T: Table>(
    call: &Call,
    tx: &Transaction,
    field: &str,
    id: Option<Uuid>,
    is_of_building: impl Fn(&T) -> bool,
    faults: &mut Faults,
) -> Result<Option<T>, Problem> {
    let Some(id) = id else { return Ok(None) };
    let found = table::find::<T>(tx, call.organisation_id(), id, Hold::None).await?;
    if !found.as_ref().is_some_and(is_of_building) {
        faults.add(&At::named(field), "is not of this building");
    }
    Ok(found)
}

/// Another system calls one defect of the organisation so.
pub(super) async fn check_external_id(
    call: &Call,
    tx: &Transaction,
    external_id: &str,
    own: Uuid,
) -> Result<(), Problem> {
    match acts::with_external_id(tx, call.organisation_id(), external_id).await? {
        Some((id, number)) if id != own => Err(Problem::of(
            catalogue::EXISTS,
            format!("Defect {number} ({id}) has this external_id already."),
        )),
        _ => Ok(()),
    }
}
