//! A session as it was.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use firemode_domain::document::{
    ActorId, ChangeHash, DocumentSize, PlaceInHistory, Provenance, RecordedChange, SessionDocument,
    VectorClock, covered_by,
};
use firemode_domain::input::{self, AsSent, At, Faults, FieldError, Input};
use firemode_storage::StorageError;
use firemode_storage::changes::change_hash;
use firemode_storage::documents::Needs;
use firemode_storage::history::{self as stored, PlacedChange};
use firemode_storage::sessions::Session;
use firemode_web::Problem;
use serde_json::Value;
use utoipa::openapi::{RefOr, Schema};

use super::answer::{Answer, Ready};
use super::view::{SessionDetail, ShownDocument};
use crate::call::Call;
use crate::people::People;

/// A request for a past document waits so long for those before it.
const PAST_WAIT_SECONDS_MAX: u64 = 10;

/// A clock from a query: JSON, or the same in base64url.
#[derive(Debug)]
pub(crate) struct PastClock(pub(super) VectorClock);

impl Input for PastClock {
    fn read(value: Value, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        let Value::String(text) = value else { return VectorClock::read(value, at, faults).map(Self) };
        let json = match text.starts_with('{') {
            true => Some(text.into_bytes()),
            false => URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok(),
        };
        let mut inside = Faults::default();
        let clock = match json.map(|json| input::parse(&json, at, &mut inside)) {
            Some(Ok(value)) => VectorClock::read(value, at, &mut inside),
            Some(Err(_)) | None => {
                let why = "must be a vector clock: a JSON object from actor to number, plain or in base64url";
                inside.add(at, why);
                None
            }
        };
        // To the client it is one parameter, whatever is inside.
        let told =
            |errors: Vec<FieldError>| errors.into_iter().for_each(|error| faults.add(at, error.message));
        inside.into_result(clock).map_err(told).ok().map(Self)
    }

    fn schema() -> RefOr<Schema> {
        AsSent::schema()
    }
}

/// The session with its document as a reader with this clock had seen it.
///
/// # Errors
/// 422 for a clock that names changes which are not on record, 503 where too many ask for the past.
pub(super) async fn past(
    call: &Call,
    session: Session,
    technician: People,
    clock: VectorClock,
) -> Result<Ready, Problem> {
    let (documents, key) = (&call.state.documents, (call.organisation_id(), session.id));
    let (answer, wanted, then) = (Answer::to(call), clock.clone(), session.clone());
    let named = technician.clone();
    let look = move |document: &SessionDocument| {
        document.at(&wanted).map(|past| answer.of(SessionDetail::new(then, past.into(), &named)))
    };
    match documents.read(&call.state.database, key, Needs::Changes, look).await {
        Ok((Some(ready), _room)) => ready,
        // It names what is not merged, or what it names is a small part of much: then a document of that part is made.
        Ok((None, _)) | Err(StorageError::TooLarge { .. }) => part(call, session, technician, &clock).await,
        Err(error) => Err(error.into()),
    }
}

/// The same with a document that is made for this answer alone.
async fn part(
    call: &Call,
    session: Session,
    technician: People,
    clock: &VectorClock,
) -> Result<Ready, Problem> {
    let (organisation_id, session_id) = (call.organisation_id(), session.id);
    // Such a document is built for one request and thrown away, so only few of them may be built at a time.
    let wait = Duration::from_secs(PAST_WAIT_SECONDS_MAX);
    let turn = tokio::time::timeout(wait, call.state.past_documents.acquire()).await;
    let _turn =
        turn.map_err(|_| Problem::unavailable("Many requests look into the past at once. Try again."))?;
    let (documents, database) = (&call.state.documents, &call.state.database);
    let places_room = documents.room_for_places(database, (organisation_id, session_id)).await?;
    let tx = call.read().await?;
    let changes = stored::placed(&tx, organisation_id, session_id).await?;
    drop(tx);
    let places = changes.iter().map(place).collect::<Result<Vec<_>, _>>()?;
    let covered =
        covered_by(clock, &places).map_err(|unknown| Problem::invalid_field("at", unknown.to_string()))?;
    let changes =
        changes.into_iter().zip(covered).filter_map(|(change, is_covered)| is_covered.then_some(change));
    let changes: Vec<PlacedChange> = changes.collect();
    let size = changes.iter().map(PlacedChange::size).fold(Default::default(), DocumentSize::and);
    let _room = documents.room_for(size).await?;
    drop(places);
    drop(places_room);
    let hashes: Vec<&[u8]> = changes.iter().map(|change| change.hash.as_slice()).collect();
    let tx = call.read().await?;
    let mut bytes = stored::bytes_of(&tx, organisation_id, session_id, &hashes).await?;
    let writers = call.people(&tx, changes.iter().map(|change| change.user_id)).await?;
    drop(tx);
    let records = changes.into_iter().filter_map(|change| recorded(change, &mut bytes).transpose());
    let records = records.collect::<Result<Vec<RecordedChange>, _>>()?;
    let (answer, people) = (Answer::to(call), technician.and(writers));
    let built = tokio::task::spawn_blocking(move || {
        let mut document = SessionDocument::empty();
        document.integrate(records);
        answer.of(SessionDetail::new(session, ShownDocument::whole(&document), &people))
    });
    built.await.map_err(Problem::internal)?
}

fn place(change: &PlacedChange) -> Result<PlaceInHistory, Problem> {
    Ok(PlaceInHistory {
        hash: change_hash(&change.hash)?,
        actor: ActorId::from(change.actor.as_slice()),
        seq: u64::try_from(change.seq).map_err(Problem::internal)?,
        deps: change.deps.iter().map(|dep| change_hash(dep)).collect::<Result<_, _>>()?,
    })
}

fn recorded(
    change: PlacedChange,
    bytes: &mut HashMap<Vec<u8>, Vec<u8>>,
) -> Result<Option<RecordedChange>, Problem> {
    let hash: ChangeHash = change_hash(&change.hash)?;
    let provenance =
        Provenance { user_id: change.user_id, device: change.device, received_at: change.received_at };
    Ok(bytes.remove(&change.hash).map(|bytes| RecordedChange { hash, bytes, provenance }))
}
