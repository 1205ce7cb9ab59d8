//! Items that somebody adds to a session.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use firemode_domain::audit::{OnRecord, Record};
use firemode_domain::document::{
    ChangeHash, ItemSeed, ItemsRefusal, NewChange, SERVER_DEVICE, SessionDocument,
};
use firemode_domain::session::Intake;
use firemode_storage::changes::{self, Arrival, EQUIVOCATION, Origin, RELIED_ON, Reliance, Turn};
use firemode_storage::documents::{Additions, AdditionsRefusal, Extent, Lease, Needs, WarmSession};
use firemode_storage::session_summaries::{self, NewSummary};
use firemode_storage::sessions::Session;
use firemode_storage::{Hold, StorageError, Transaction, audit, recent_sessions};
use firemode_web::wire::told_clock;
use firemode_web::{Body, IdempotencyKey, Outcome, Problem, catalogue};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::call::Call;
use crate::coverage::Warning;
use crate::handlers::sessions::new_items::{AddItemsSchema, Items, seeds, warnings};
use crate::object::on_record;

/// Ids that the audit log names for one request; it always says how many there are.
const AUDITED_IDS_MAX: usize = 100;

/// What was added.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ItemsAdded {
    session_id: Uuid,
    /// The new items, in the order given.
    items: Vec<AddedItem>,
    /// Items of the document now.
    item_count: usize,
    /// The document's clock now. Of more than 256 actors only the one that wrote the items is listed.
    vector_clock: BTreeMap<String, u64>,
    /// Hashes of the document's last changes.
    heads: Vec<String>,
    /// Items that are stored apart because the session is completed, until a manager decides.
    late: usize,
    /// What was taken and is probably not what was meant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    warnings: Vec<Warning>,
}

/// An item that was added.
#[derive(Debug, Serialize, ToSchema)]
struct AddedItem {
    /// Its key in the document's `items`.
    id: String,
    asset_id: Option<String>,
}

/// Adds items to a session
///
/// All of them, or none. For a completed session they are kept as late work until a manager decides. Items have no address of their
/// own: they are in the session's document. An `item_code` that no rule covers is taken with a warning, or refused where the organisation
/// says so (`strict_item_codes`).
#[utoipa::path(post, path = "/v1/tests/sessions/{session_id}/items", tag = "sessions", request_body = AddItemsSchema,
    params(("session_id" = Uuid, Path),
           IdempotencyKey),
    responses((status = 201, description = "Added.", body = ItemsAdded),
              (status = 409, description = "There is an item with such an id already, or the session is cancelled.")))]
pub(crate) async fn add_items(
    session_id: web::Path<Uuid>,
    body: Body<Items>,
    key: IdempotencyKey,
    call: Call,
) -> Result<HttpResponse, Problem> {
    let items = &body.value;
    // What takes long comes first, while no connection is held.
    let key_of_session = (call.organisation_id(), *session_id);
    call.state.documents.read(&call.state.database, key_of_session, Needs::Changes, |_| ()).await?;
    let mut addition = Addition { call: &call, warm: None, is_ahead: false };
    let outcome =
        call.run_once(&key, &body.fingerprint, async |tx| addition.run(tx, *session_id, items).await).await;
    // A document that is ahead of a database whose commit may have failed is forgotten.
    if let Some((mut lease, documents)) = addition.warm
        && (outcome.is_ok() || !addition.is_ahead)
    {
        lease.put_back(documents);
    }
    Ok(outcome?.respond())
}

/// One request.
struct Addition<'a> {
    call: &'a Call,
    /// The session's documents, once they were taken.
    warm: Option<(Lease<'a>, Box<WarmSession>)>,
    /// True when they have what may not be committed.
    is_ahead: bool,
}

impl Addition<'_> {
    async fn run(&mut self, tx: &Transaction, id: Uuid, items: &Items) -> Result<Outcome, Problem> {
        // What a run before left is of a transaction that has been undone.
        (self.warm, self.is_ahead) = (None, false);
        let organisation_id = self.call.organisation_id();
        // Held before the documents are taken, as everybody in this process does who needs both.
        let session: Session = self.call.find(tx, id, Hold::AgainstChange).await?;
        let is_late = match session.status.intake() {
            Intake::Accept => false,
            Intake::Late => true,
            Intake::Refuse => {
                return Err(Problem::of(
                    catalogue::CANCELLED,
                    "The session is cancelled and takes no more items.",
                ));
            }
        };
        let seeds = seeds(tx, organisation_id, &session, items).await?;
        let warnings = warnings(tx, self.call, &session, items).await?;
        let added: Vec<AddedItem> = seeds.iter().map(AddedItem::from).collect();
        let changes = self.write(tx, id, seeds, items, is_late).await?;
        let answer = ItemsAdded { warnings, ..self.answer(id, added, &changes, is_late).await? };
        let commitments = audit::commitments(tx, organisation_id, id).await?;
        let added = on_record(&commitments, &answer)?;
        self.call.record(tx, "session.add_items", ("session", id), None, added).await?;
        Outcome::new(StatusCode::CREATED, &answer)
    }

    /// Writes the items down as changes and stores those.
    async fn write(
        &mut self,
        tx: &Transaction,
        session_id: Uuid,
        seeds: Vec<ItemSeed>,
        items: &Items,
        is_late: bool,
    ) -> Result<Vec<NewChange>, Problem> {
        let (organisation_id, user_id) = (self.call.organisation_id(), self.call.user_id());
        let mut lease = self
            .call
            .state
            .documents
            .lease(organisation_id, session_id)
            .await
            .map_err(|busy| Problem::unavailable("The session is busy. Try again.").caused_by(busy))?;
        let documents = lease.take();
        let (_, documents) = self.warm.insert((lease, documents));
        // Before the changes are read, so that those of the one before are among them.
        let turn = Turn::of(session_id, user_id, SERVER_DEVICE);
        let lineage = changes::take_turn(tx, turn).await?;
        let actors = self.call.state.documents.actors(lineage);
        documents.enter(lineage);
        documents.record.refresh(tx, organisation_id, session_id, Extent::Record, Some(lineage)).await?;
        documents.forget_late();
        if is_late {
            let with_late = &mut documents.with_late;
            with_late.refresh(tx, organisation_id, session_id, Extent::WithLate, None).await?;
        }
        let (document, actors) = documents.for_work(is_late, user_id, &actors);
        let received_at = changes::received_at(tx).await?;
        let limits = self.call.state.limits.clone();
        let additions = Additions { items: seeds, user_id, received_at, limits, actors };
        let written = document.add_items(additions, &mut self.is_ahead).await?;
        let written = written.map_err(|refusal| refused(&refusal, items))?;
        let origin = Origin { organisation_id, session_id, user_id, process_id: self.call.state.process_id };
        let arrival =
            |change| Arrival { origin, change: changes::NewChange::of(change, Vec::new()), is_late };
        let hashes = relied_on(&written);
        let required = changes::require(tx, Reliance { organisation_id, session_id, hashes: &hashes }).await;
        if required.as_ref().is_err_and(|error| error.constraint() == Some(RELIED_ON)) {
            self.call.state.documents.renew_actors();
        }
        required?;
        let inserted = changes::insert_all(tx, written.iter().map(arrival).collect()).await;
        inserted.map_err(|error| self.number_taken(error))?;
        self.keep_summary(tx, (organisation_id, session_id)).await?;
        recent_sessions::note(tx, &[origin.visit()]).await?;
        Ok(written)
    }

    async fn keep_summary(&self, tx: &Transaction, key: (Uuid, Uuid)) -> Result<(), Problem> {
        let Some((_, documents)) = &self.warm else { return Ok(()) };
        let (organisation_id, session_id) = key;
        let record = &documents.record;
        let (summary, read_up_to) = (record.document().summary(), record.read_up_to().cloned());
        let new = NewSummary { organisation_id, session_id, summary, read_up_to };
        Ok(session_summaries::keep(tx, &[new]).await?)
    }

    /// Where the database refuses a number because it is taken, by late work of which part was accepted, the next try begins with
    /// another actor.
    fn number_taken(&self, error: StorageError) -> Problem {
        if error.constraint() != Some(EQUIVOCATION) {
            return error.into();
        }
        self.call.state.documents.renew_actors();
        Problem::unavailable("Somebody else wrote at the same moment. Try again.").caused_by(error)
    }

    async fn answer(
        &mut self,
        session_id: Uuid,
        items: Vec<AddedItem>,
        changes: &[NewChange],
        is_late: bool,
    ) -> Result<ItemsAdded, Problem> {
        let writers: BTreeSet<String> = changes.iter().map(|change| change.actor.to_hex_string()).collect();
        let inspect = move |document: &SessionDocument| {
            let clock = told_clock(&document.vector_clock(), |actor| writers.contains(actor));
            (clock, document.heads(), document.item_count())
        };
        let Some((_, documents)) = &mut self.warm else {
            return Err(Problem::internal("the documents were not taken"));
        };
        let (vector_clock, heads, item_count) = documents.record.inspect(inspect).await?;
        let late = if is_late { items.len() } else { 0 };
        let warnings = Vec::new();
        Ok(ItemsAdded { session_id, items, item_count, vector_clock, heads, late, warnings })
    }
}

impl OnRecord for ItemsAdded {
    fn on_record(&self, record: &mut Record<'_>) {
        let named = self.items.iter().take(AUDITED_IDS_MAX).map(|item| item.id.as_str());
        record.codes("items", "id", named);
        record.plain("item_count", self.items.len());
        record.plain("late", self.late);
        record.codes("heads", "head", self.heads.iter().map(String::as_str));
    }
}

impl From<&ItemSeed> for AddedItem {
    fn from(seed: &ItemSeed) -> Self {
        Self { id: seed.item_id.clone(), asset_id: seed.asset_id.clone() }
    }
}

/// What new changes build on, but for each other.
fn relied_on(written: &[NewChange]) -> Vec<ChangeHash> {
    let is_new = |hash: &ChangeHash| written.iter().any(|change| change.hash == *hash);
    let deps: BTreeSet<ChangeHash> = written.iter().flat_map(|change| change.deps.iter().copied()).collect();
    deps.into_iter().filter(|hash| !is_new(hash)).collect()
}

fn refused(refusal: &AdditionsRefusal, items: &Items) -> Problem {
    match refusal {
        AdditionsRefusal::Items(ItemsRefusal::Exists { index, item_id }) => Problem::of(
            catalogue::EXISTS,
            format!("{}: the session has an item '{item_id}' already.", items.field(*index, "id")),
        ),
        AdditionsRefusal::Items(ItemsRefusal::InvalidId { index }) => {
            Problem::invalid_field(items.field(*index, "id"), "must have 1 to 256 bytes")
        }
        AdditionsRefusal::Items(ItemsRefusal::TooDeep { index }) => {
            Problem::invalid_field(items.field(*index, "data"), "is nested too deeply")
        }
        full => Problem::invalid_field(if items.is_list { "items" } else { "(body)" }, full.to_string()),
    }
}
