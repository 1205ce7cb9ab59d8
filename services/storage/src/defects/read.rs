//! Defects as clients see them: one at a time and in lists, as they are known now or were known at a moment.

use std::collections::BTreeSet;

use firemode_domain::classification::Section;
use firemode_domain::defect::{
    DefectClass, DefectSource, DefectStatus, Deferral, InterimMeasures, RuleReference,
};
use firemode_domain::input::{self, Line, Repeated, Time, Whole};
use firemode_domain::{body, words};
use serde::Serialize;
use serde_json::Value;
use time::{Date, Duration, OffsetDateTime};
use utoipa::ToSchema;
use uuid::Uuid;

use super::known::{KNOWN_NOW, KNOWN_THEN};
use crate::page::{Keyset, Listing, Order, Page};
use crate::row::{Row as _, row};
use crate::{Executor, StorageError, iso_date, sql};

row! {
    /// A defect, as it is known at a moment.
    #[derive(Debug, Clone, Serialize, ToSchema)]
    #[schema(as = DefectState)]
    pub struct Defect {
        /// The defect's id.
        pub id: Uuid,
        /// Its number in the organisation.
        #[schema(example = 17, minimum = 1)]
        pub number: i64,
        /// The building.
        pub building_id: Uuid,
        /// What is defective: the asset, or a name of the building's item.
        #[serde(skip)]
        pub subject_id: Uuid,
        /// The measure of the building's schedule that it is of.
        pub measure_id: Option<Uuid>,
        /// The asset.
        pub asset_id: Option<Uuid>,
        /// The item, as the session of the first observation has it.
        pub item_id: Option<String>,
        /// The session of the first observation.
        pub session_id: Option<Uuid>,
        /// Where it comes from.
        pub source: DefectSource,
        /// Code of the item.
        #[schema(example = "EXT-PRESSURE")]
        pub item_code: Option<String>,
        /// The condition that was seen.
        #[schema(example = "pressure_low")]
        pub condition: Option<String>,
        /// Its class.
        pub classification: DefectClass,
        /// Has a person set the class?
        pub is_overridden: bool,
        /// What it is.
        #[schema(example = "Extinguisher 4: pressure_low")]
        pub description: String,
        /// Where it is.
        #[schema(example = "Level 1, east corridor")]
        pub location: Option<String>,
        /// Section of AS 1851-2012.
        #[schema(example = 10, minimum = 2, maximum = 14)]
        pub section: Option<i16>,
        /// Where it is in its life.
        pub status: DefectStatus,
        /// Is all that is known of it late work, about which nobody has decided?
        pub provisional: bool,
        /// Who is to see to it.
        pub assigned_to: Option<Uuid>,
        /// When it became known.
        #[serde(with = "time::serde::rfc3339")]
        pub opened_at: OffsetDateTime,
        /// When it was first observed.
        #[serde(with = "time::serde::rfc3339")]
        pub observed_at: OffsetDateTime,
        /// When that observation was received.
        #[serde(with = "time::serde::rfc3339")]
        pub received_at: OffsetDateTime,
        /// Could the time that was stated for it not be right? Then it counts from its receipt.
        pub clock_suspect: bool,
        /// The day at the building on which it was first observed.
        #[serde(with = "iso_date")]
        pub local_date: Date,
        /// How often it was observed: once in each session, and by people.
        #[schema(example = 1, minimum = 0)]
        pub observations: i32,
        /// When it was last observed.
        #[serde(with = "time::serde::rfc3339::option")]
        pub last_observed_at: Option<OffsetDateTime>,
        /// Sessions in which the item passed since: a repair may be verified.
        #[schema(example = 0, minimum = 0)]
        pub passes_since: i32,
        /// Has a person to look at it?
        pub needs_review: bool,
        /// Hash of the change that says that nothing fails after all.
        pub superseded_by: Option<String>,
        /// What was done until it is repaired. Clients are shown who did it, too.
        #[serde(skip)]
        pub interim_measures: InterimMeasures,
        /// Until when the repair waits, who accepts that, and why.
        #[schema(nullable)]
        pub deferral: Option<Deferral>,
        /// The day for which the repair is planned.
        #[serde(with = "iso_date::option")]
        pub scheduled_for: Option<Date>,
        /// When it was repaired.
        #[serde(with = "time::serde::rfc3339::option")]
        pub repaired_at: Option<OffsetDateTime>,
        /// Who said so.
        pub repaired_by: Option<Uuid>,
        /// Who looked whether it is.
        pub verified_by: Option<Uuid>,
        /// The closed defect that this one takes up again.
        pub reopens: Option<Uuid>,
        /// The rule that gave the class.
        #[schema(nullable)]
        pub rule: Option<RuleReference>,
        /// Evidence of it.
        pub evidence: Vec<Uuid>,
        /// What another system calls it.
        pub external_id: Option<String>,
        /// The organisation's own fields.
        #[schema(schema_with = input::object)]
        pub metadata: Value,
        /// Was it known before defects were followed?
        pub from_history: bool,
    }
}

/// How long a defect may be known.
type Days = Whole<0, 36_500>;

words! {
    /// What comes first in the list of defects.
    pub enum DefectOrder {
        /// The oldest.
        Age = "age",
    }
}

body! {
    /// Which defects are wanted.
    #[derive(Debug, Default)]
    pub struct DefectFilter {
        /// Defects of one building.
        pub building_id: Option<Uuid>,
        /// Defects of one section of AS 1851-2012.
        pub section: Option<Section>,
        /// Defects of one class.
        pub classification: Option<DefectClass>,
        /// Any of these; may be repeated.
        pub status: Repeated<DefectStatus>,
        /// Those that one user is to see to.
        pub assigned_to: Option<Uuid>,
        /// Those that have been known for so many days or longer.
        pub age_days_min: Option<Days>,
        /// Those that have been known for so many days at most.
        pub age_days_max: Option<Days>,
        /// Text in the description, the location, the item code or the condition, or the number.
        pub q: Option<Line<200>>,
        /// Those that a person has to look at, or has not.
        pub needs_review: Option<bool>,
        /// Those that were known before defects were followed, or were not.
        pub from_history: Option<bool>,
        /// As they were known then (RFC 3339); left out: now.
        pub as_of: Option<Time>,
        /// `age`: the oldest first. Left out: the newest first.
        pub sort: Option<DefectOrder>,
    }
}

/// Versions of defects with what stands in the rows of these, for [`Defect`]. A list has them in the order in which they became known;
/// `offset 0` has the row of each looked up by itself, whatever the planner expects.
fn versions() -> String {
    versions_with(&[])
}

/// The same with more columns of the versions.
pub(crate) fn versions_with(more: &[&str]) -> String {
    let of_defect = ["number", "from_history"];
    let column = |name: &&str| match *name {
        "id" => "v.defect_id as id".to_owned(),
        name if of_defect.contains(&name) => format!("d.{name}"),
        name => format!("v.{name}"),
    };
    let columns: Vec<String> = Defect::COLUMNS.iter().chain(more).map(column).collect();
    format!(
        "(select {}, v.organisation_id, v.known_from, v.known_to, v.opened_at as created_at, d.created_xid
          from defect_versions v cross join lateral (
              select * from defects d where d.organisation_id = v.organisation_id and d.id = v.defect_id offset 0) d) versions",
        columns.join(", ")
    )
}

/// A defect as it is known, or was known at a moment.
///
/// # Errors
/// The database does not answer.
pub async fn find(
    on: &impl Executor,
    organisation_id: Uuid,
    id: Uuid,
    as_of: Option<OffsetDateTime>,
) -> Result<Option<Defect>, StorageError> {
    let (columns, versions) = (Defect::columns(), versions());
    let statement = |known: &str| {
        format!("select {columns} from {versions} where organisation_id = $1 and id = $2 and {known}")
    };
    let row = match &as_of {
        None => sql::optional(on, &statement(KNOWN_NOW), &[&organisation_id, &id]).await?,
        Some(at) => {
            let known = KNOWN_THEN.replace("{}", "$3");
            sql::optional(on, &statement(&known), &[&organisation_id, &id, at]).await?
        }
    };
    row.as_ref().map(Defect::read).transpose()
}

/// One page of an organisation's defects.
///
/// # Errors
/// The database does not answer.
pub async fn list(
    on: &impl Executor,
    organisation_id: Uuid,
    filter: &DefectFilter,
    keyset: &Keyset,
) -> Result<Page<Defect>, StorageError> {
    let as_of = filter.as_of.map(Time::get);
    let now = as_of.unwrap_or_else(OffsetDateTime::now_utc);
    let days_ago = |days: Option<Days>| days.map(|days| now.saturating_sub(Duration::days(days.get())));
    let says = |asked: Option<bool>, yes: &'static str, no: &'static str| {
        asked.map(|asked| if asked { yes } else { no })
    };
    let statuses: BTreeSet<&str> = filter.status.0.iter().map(|status| status.as_str()).collect();
    let order = match filter.sort {
        Some(DefectOrder::Age) => Order::OldestFirst,
        None => Order::NewestFirst,
    };
    let mut listing = Listing::of(&versions(), organisation_id, keyset).in_order(order);
    if let Some(text) = filter.q.as_deref() {
        let has_text = HAS_TEXT.replace("{}", &listing.place(text));
        let has_number =
            text.parse::<i64>().ok().map(|number| HAS_NUMBER.replace("{}", &listing.place(number)));
        let said: Vec<String> = [Some(has_text), has_number].into_iter().flatten().collect();
        listing = listing.holds(&format!("({})", said.join(" or ")));
    }
    listing
        .where_if(as_of.is_none().then_some(KNOWN_NOW))
        .where_if((as_of.is_none() && !filter.has_index()).then_some(IN_THE_WHOLE_LIST))
        .only_if(KNOWN_THEN, as_of)
        .any_of("status", statuses)
        .only_if("building_id = {}", filter.building_id)
        .only_if("section = {}", filter.section.map(Section::to_i16))
        .only_if("classification = {}", filter.classification.map(DefectClass::as_str))
        .only_if("assigned_to = {}", filter.assigned_to)
        .only_if("created_at <= {}", days_ago(filter.age_days_min))
        .only_if("created_at >= {}", days_ago(filter.age_days_max))
        .where_if(says(filter.needs_review, "needs_review", "not needs_review"))
        .where_if(says(filter.from_history, FROM_HISTORY, "not from_history"))
        .page_from(on, Defect::read, |page| {
            format!("select {}, created_at from {page} page", Defect::columns())
        })
        .await
}

impl DefectFilter {
    /// Is something asked for by which an index finds defects?
    fn has_index(&self) -> bool {
        self.building_id.is_some()
            || self.section.is_some()
            || self.classification.is_some()
            || !self.status.0.is_empty()
            || self.assigned_to.is_some()
            || self.needs_review == Some(true)
    }
}

/// True of each, and the condition of the index of the whole list: where another index is the right one, that one is not as good.
const IN_THE_WHOLE_LIST: &str = "observations >= 0";

/// Those from history: they became known before there was anything to follow them, so what came later is passed over.
const FROM_HISTORY: &str =
    "from_history and created_at <= (select coalesce(max(history_until), 'infinity') from projection_place)";

/// What people call a defect by.
const HAS_TEXT: &str =
    "strpos(lower(concat_ws(' ', description, location, item_code, condition)), lower({})) > 0";

/// The same, or its number.
const HAS_NUMBER: &str = "id = (select d.id from defects d where d.organisation_id = $1 and d.number = {})";

/// The newest defects of a building that are not closed or withdrawn, at most so many, and how many there are; only those of these things,
/// where some are given.
///
/// # Errors
/// The database does not answer.
pub async fn newest_open(
    on: &impl Executor,
    organisation_id: Uuid,
    building_id: Uuid,
    subject_ids: Option<&[Uuid]>,
    limit: usize,
) -> Result<(Vec<Defect>, usize), StorageError> {
    let (columns, versions) = (Defect::columns(), versions());
    let of_building = format!(
        "from {versions} where organisation_id = $1 and building_id = $2 and {KNOWN_NOW} and status not in ('closed', 'withdrawn')
           and ($3::uuid[] is null or subject_id = any ($3))"
    );
    let count = format!("select count(*) {of_building}");
    let count: i64 = sql::one(on, &count, &[&organisation_id, &building_id, &subject_ids]).await?.get(0);
    let newest = format!("select {columns} {of_building} order by created_at desc, id desc limit $4");
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = on.rows(&newest, &[&organisation_id, &building_id, &subject_ids, &limit]).await?;
    Ok((Defect::read_all(&rows)?, usize::try_from(count).unwrap_or_default()))
}
