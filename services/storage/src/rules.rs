//! Classification rules: shipped ones, and an organisation's own.

use std::collections::HashMap;

use firemode_domain::audit::{OnRecord, Record};
use firemode_domain::classification::{Provenance, Rule, RuleVersion, Section};
use firemode_domain::input::Line;
use firemode_domain::place::Jurisdiction;
use firemode_domain::{body, words};
use serde::{Serialize, Serializer};
use serde_json::Value;
use time::{Date, OffsetDateTime};
use tokio_postgres::Client;
use tokio_postgres::types::Json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::page::{Keyset, Listing, Page};
use crate::row::{Row as _, row};
use crate::{Executor, Purpose, StorageError, Transaction, iso_date, migrations, sql};

/// Versions of rules of its own that an organisation may have.
pub const OWN_RULES_MAX: i64 = 20_000;

/// The constraint that refuses a second rule of an organisation with the same code and version.
pub const CODE_AND_VERSION_TAKEN: &str = "idx_as1851_rules_own";

words! {
    /// Whose a rule is.
    pub enum RuleOrigin {
        /// It comes with the product.
        Shipped = "shipped",
        /// It is the organisation's own.
        Own = "own",
    }
}

row! {
    /// A version of a rule.
    #[derive(Debug, Clone, Serialize, ToSchema)]
    #[schema(as = RuleVersion)]
    pub struct StoredRule {
        /// The version's id.
        pub id: Uuid,
        /// Code of the rule, the same in all its versions.
        #[schema(example = "AS1851-10-EXT-PRESSURE")]
        pub rule_code: String,
        /// Semantic version.
        #[schema(example = "1.0.0")]
        pub version: String,
        /// Whose it is.
        #[serde(rename = "origin", serialize_with = "origin")]
        #[schema(value_type = RuleOrigin)]
        pub organisation_id: Option<Uuid>,
        /// The jurisdiction in which alone it decides; null: anywhere.
        #[schema(example = "QLD")]
        pub jurisdiction: Option<Jurisdiction>,
        /// The first day on which it decides; null: any day.
        #[serde(with = "iso_date::option")]
        #[schema(value_type = Option<String>, format = Date, example = "2027-01-01")]
        pub effective_from: Option<Date>,
        /// Does the organisation use it?
        pub is_active: bool,
        /// How it classifies: `GET /v1/rules/schema`.
        #[schema(schema_with = firemode_domain::input::object)]
        pub rule_schema: Value,
        /// Where a shipped version comes from, and how far it is to be trusted; null for one's own.
        #[schema(value_type = Option<Provenance>)]
        pub provenance: Option<Value>,
        /// When it was made.
        #[serde(with = "time::serde::rfc3339")]
        pub created_at: OffsetDateTime = database,
    }
}

body! {
    /// Which versions of rules are wanted.
    #[derive(Debug, Default)]
    pub struct RuleFilter {
        /// Those of this section of AS 1851-2012.
        pub section: Option<Section>,
        /// Those that cover this item.
        pub item_code: Option<Line<64>>,
        /// Shipped ones, or the organisation's own.
        pub origin: Option<RuleOrigin>,
        /// Those that the organisation uses, or that it does not.
        pub active: Option<bool>,
    }
}

fn origin<S: Serializer>(organisation_id: &Option<Uuid>, serializer: S) -> Result<S::Ok, S::Error> {
    let origin = if organisation_id.is_some() { RuleOrigin::Own } else { RuleOrigin::Shipped };
    origin.serialize(serializer)
}

impl OnRecord for StoredRule {
    fn on_record(&self, record: &mut Record<'_>) {
        record.code("rule_code", self.rule_code.as_str());
        record.plain("version", self.version.parse::<RuleVersion>().ok());
        record.plain("jurisdiction", self.jurisdiction);
        record.date("effective_from", self.effective_from);
        record.free("rule_schema", &self.rule_schema);
        record.plain("is_active", self.is_active);
    }
}

impl StoredRule {
    /// The rule itself.
    ///
    /// # Errors
    /// What is stored does not read as one.
    pub fn rule(self) -> Result<Rule, StorageError> {
        let (code, version) = (&self.rule_code, &self.version);
        let rule = Rule::parse(code, version, self.rule_schema, self.organisation_id)
            .map_err(|error| StorageError::Damaged(format!("rule {code} {version}: {error}")))?;
        Ok(Rule {
            id: Some(self.id),
            is_active: self.is_active,
            effective_from: self.effective_from,
            jurisdiction: self.jurisdiction,
            ..rule
        })
    }

    /// Its columns, read of a table, or of rows of it, with this name. What the organisation, which is the first parameter, has said of
    /// it takes the place of what the version was made as.
    fn columns_of(rules: &str) -> String {
        Self::columns_as(rules, NOW)
    }

    fn columns_as(rules: &str, known: &str) -> String {
        Self::columns().replace("is_active", &format!("{} as is_active", is_active(rules, known)))
    }
}

/// The condition that an organisation's act on a version is its last one.
const NOW: &str = "act.known_to is null";

/// The condition that it was the last one at a moment, which is the third parameter.
const THEN: &str = "act.known_from <= $3 and (act.known_to is null or act.known_to > $3)";

/// The planner looks activations up for each row, or once for all of them, whichever is less.
fn is_active(rules: &str, known: &str) -> String {
    let act = |condition: &str| {
        format!(
            "exists (select from rule_activations act
                     where act.organisation_id = $1 and act.rule_id = {rules}.id and {known} and {condition})"
        )
    };
    format!("(({rules}.is_active or {}) and not {})", act("act.is_active"), act("not act.is_active"))
}

/// Adds the rules that the product ships and that the database does not have yet, and says where they come from; a version never changes.
///
/// # Errors
/// The database does not answer.
pub async fn install_shipped(
    client: &mut Client,
    rules: &[Rule],
    provenances: &[Provenance],
) -> Result<u64, StorageError> {
    let tx = migrations::begin(client).await?;
    tx.batch_execute(&Purpose::Operator.setting()).await?;
    let insert = tx
        .prepare(
            "insert into as1851_rules (id, rule_code, version, rule_schema, item_codes) values ($1, $2, $3, $4, $5)
             on conflict (rule_code, version) where organisation_id is null do nothing",
        )
        .await?;
    let mut added = 0;
    for rule in rules {
        let schema = serde_json::to_value(&rule.schema)
            .map_err(|error| StorageError::Damaged(format!("rule {}: {error}", rule.code)))?;
        let version = rule.version.to_string();
        added += tx
            .execute(&insert, &[&Uuid::now_v7(), &rule.code, &version, &schema, &rule.schema.item_codes()])
            .await?;
    }
    // Behind the commit a pooler may tell another connection to forget it, and its name would be taken on this one.
    drop(insert);
    let codes: Vec<&str> = rules.iter().map(|rule| rule.code.as_str()).collect();
    let versions: Vec<String> = rules.iter().map(|rule| rule.version.to_string()).collect();
    let provenances: Vec<Json<&Provenance>> = provenances.iter().map(Json).collect();
    tx.execute(
        "update as1851_rules r set provenance = n.provenance
         from unnest($1::text[], $2::text[], $3::jsonb[]) as n (rule_code, version, provenance)
         where r.organisation_id is null and r.rule_code = n.rule_code and r.version = n.version
           and r.provenance is distinct from n.provenance",
        &[&codes, &versions, &provenances],
    )
    .await?;
    tx.commit().await?;
    Ok(added)
}

/// The condition of a list that a version covers an item; the organisation is the first parameter.
const COVERS: &str = "id = any (array(
    select i.rule_id from rule_items i
    where (i.organisation_id is null or i.organisation_id = $1) and i.item_code = {}))";

/// One page of the versions of rules that an organisation can see, newest first; of one code, where one is given.
///
/// # Errors
/// The database does not answer.
pub async fn list(
    on: &impl Executor,
    organisation_id: Uuid,
    rule_code: Option<&str>,
    filter: &RuleFilter,
    keyset: &Keyset,
) -> Result<Page<StoredRule>, StorageError> {
    let active = format!("{} = {{}}", is_active("as1851_rules", NOW));
    let is_own = filter.origin.map(|origin| origin == RuleOrigin::Own);
    Listing::of_own_and_shipped("as1851_rules", organisation_id, keyset)
        .only_if("rule_code = {}", rule_code)
        .only_if("(rule_schema ->> 'section')::smallint = {}", filter.section.map(|section| section.to_i16()))
        .only_if(COVERS, filter.item_code.as_deref())
        .only_if("(organisation_id is not null) = {}", is_own)
        .only_if(&active, filter.active)
        .page_from(on, StoredRule::read, |page| {
            format!("select {} from {page} page", StoredRule::columns_of("page"))
        })
        .await
}

/// The versions for which a condition holds, of those that an organisation can see. Its own parameters begin with `$2`.
async fn visible(
    on: &impl Executor,
    condition: &str,
    params: sql::Params<'_>,
) -> Result<Vec<StoredRule>, StorageError> {
    visible_as(on, NOW, condition, params).await
}

/// The same by what was known then.
async fn visible_as(
    on: &impl Executor,
    known: &str,
    condition: &str,
    params: sql::Params<'_>,
) -> Result<Vec<StoredRule>, StorageError> {
    let sql = format!(
        "select {} from as1851_rules r where (r.organisation_id is null or r.organisation_id = $1) and {condition}",
        StoredRule::columns_as("r", known)
    );
    StoredRule::read_all(&on.rows(&sql, params).await?)
}

/// Finds a version that an organisation can see.
///
/// # Errors
/// The database does not answer.
pub async fn find(
    on: &impl Executor,
    organisation_id: Uuid,
    id: Uuid,
) -> Result<Option<StoredRule>, StorageError> {
    Ok(visible(on, "r.id = $2", &[&organisation_id, &id]).await?.pop())
}

/// All versions of one code that an organisation can see.
///
/// # Errors
/// The database does not answer.
pub async fn versions(
    on: &impl Executor,
    organisation_id: Uuid,
    rule_code: &str,
) -> Result<Vec<StoredRule>, StorageError> {
    visible(on, "r.rule_code = $2", &[&organisation_id, &rule_code]).await
}

/// Which rules an organisation can see by now: another value after each change of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleSetVersion {
    shipped: i64,
    own: i64,
}

/// Which rules each of these organisations can see.
///
/// # Errors
/// The database does not answer.
pub async fn set_versions(
    on: &impl Executor,
    organisation_ids: &[Uuid],
) -> Result<HashMap<Uuid, RuleSetVersion>, StorageError> {
    let of = |id: &str| {
        format!(
            "coalesce((select v.version from rule_set_versions v
                       where coalesce(v.organisation_id, '00000000-0000-0000-0000-000000000000') = {id}), 0)"
        )
    };
    let sql = format!(
        "select w.organisation_id, {} as own, {} as shipped from unnest($1::uuid[]) as w (organisation_id)",
        of("w.organisation_id"),
        of("'00000000-0000-0000-0000-000000000000'")
    );
    let rows = on.rows(&sql, &[&organisation_ids]).await?;
    let version = |row: &tokio_postgres::Row| {
        (row.get(0), RuleSetVersion { shipped: row.get("shipped"), own: row.get("own") })
    };
    Ok(rows.iter().map(version).collect())
}

/// The rules that an organisation can see and that have, in any version, to do with one of these items: its own and the shipped ones.
/// All versions of a rule's code come along, because a newer one may have dropped the item.
///
/// # Errors
/// The database does not answer, or a stored rule does not read as one.
pub async fn for_items(
    on: &impl Executor,
    organisation_id: Uuid,
    item_codes: &[&str],
) -> Result<Vec<Rule>, StorageError> {
    in_use(visible(on, OF_ITEMS, &[&organisation_id, &item_codes]).await?)
}

/// The same as it was known at a moment: without the versions that were made later, and by the acts of then.
///
/// # Errors
/// As for [`for_items`].
pub async fn for_items_as_known(
    on: &impl Executor,
    organisation_id: Uuid,
    item_codes: &[&str],
    known_at: OffsetDateTime,
) -> Result<Vec<Rule>, StorageError> {
    let condition = format!("{OF_ITEMS} and r.created_at <= $3");
    in_use(visible_as(on, THEN, &condition, &[&organisation_id, &item_codes, &known_at]).await?)
}

/// The condition that a version's code has, in any version, to do with one of some items, which are the second parameter.
const OF_ITEMS: &str = "r.rule_code = any (array(
    select i.rule_code from rule_items i
    where (i.organisation_id is null or i.organisation_id = $1) and i.item_code = any ($2)))";

fn in_use(versions: Vec<StoredRule>) -> Result<Vec<Rule>, StorageError> {
    versions.into_iter().filter(|version| version.is_active).map(StoredRule::rule).collect()
}

/// Makes a version of an organisation's own. None where it has as many as it may.
///
/// # Errors
/// [`CODE_AND_VERSION_TAKEN`], or the database does not answer.
pub async fn insert(
    tx: &Transaction,
    organisation_id: Uuid,
    made_by: Uuid,
    rule: &Rule,
) -> Result<Option<StoredRule>, StorageError> {
    let schema = serde_json::to_value(&rule.schema)
        .map_err(|error| StorageError::Damaged(format!("rule {}: {error}", rule.code)))?;
    let jurisdiction = rule.jurisdiction.map(Jurisdiction::as_str);
    let sql = format!(
        "insert into as1851_rules as r
             (id, organisation_id, rule_code, version, rule_schema, item_codes, is_active, effective_from, jurisdiction, created_by)
         select $2, $1, $3, $4, $5, $6, $7, $8, $9, $10
         where (select count(*) from as1851_rules where organisation_id = $1) < $11
         returning {}",
        StoredRule::columns_of("r")
    );
    let params: sql::Params<'_> = &[
        &organisation_id,
        &Uuid::now_v7(),
        &rule.code,
        &rule.version.to_string(),
        &schema,
        &rule.schema.item_codes(),
        &rule.is_active,
        &rule.effective_from,
        &jurisdiction,
        &made_by,
        &OWN_RULES_MAX,
    ];
    sql::optional(tx, &sql, params).await?.as_ref().map(StoredRule::read).transpose()
}

/// Finds a version that an organisation can see, to be turned on or off: it stays as it is until the transaction ends.
///
/// # Errors
/// The database does not answer.
pub async fn hold(
    tx: &Transaction,
    organisation_id: Uuid,
    id: Uuid,
) -> Result<Option<StoredRule>, StorageError> {
    // A shipped version is everybody's, so an organisation's acts wait for each other at the organisation.
    tx.rows("select from organisations where id = $1 for no key update", &[&organisation_id]).await?;
    find(tx, organisation_id, id).await
}

/// Turns a version that is held on or off for an organisation, which keeps each such act.
///
/// # Errors
/// The database does not answer.
pub async fn set_active(
    tx: &Transaction,
    organisation_id: Uuid,
    id: Uuid,
    is_active: bool,
    acted_by: Uuid,
) -> Result<(), StorageError> {
    tx.run(
        "with ended as (
             update rule_activations set known_to = clock_timestamp()
             where organisation_id = $1 and rule_id = $2 and known_to is null
             returning known_to
         )
         insert into rule_activations (id, organisation_id, rule_id, is_active, acted_by, known_from)
         values ($3, $1, $2, $4, $5, coalesce((select known_to from ended), clock_timestamp()))",
        &[&organisation_id, &id, &Uuid::now_v7(), &is_active, &acted_by],
    )
    .await?;
    Ok(())
}

/// Codes of items that are looked through for similar ones, shipped and own.
const ITEM_CODES_MAX: i64 = 2_000;

/// Codes of items that rules which an organisation can see cover, in any version; not all where there are very many.
///
/// # Errors
/// The database does not answer.
pub async fn item_codes(on: &impl Executor, organisation_id: Uuid) -> Result<Vec<String>, StorageError> {
    let of = |condition: &str| {
        format!("(select distinct item_code from rule_items where {condition} order by item_code limit $2)")
    };
    let sql = format!("{} union {}", of("organisation_id is null"), of("organisation_id = $1"));
    let rows = on.rows(&sql, &[&organisation_id, &ITEM_CODES_MAX]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// An item of the organisation's assets that no rule covers.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct UncoveredItem {
    /// Its code.
    #[schema(example = "EXT-GAUGE")]
    pub item_code: String,
    /// Active assets that have it.
    pub assets: i64,
}

/// The codes of an organisation's active assets, with how many have each, in their order.
///
/// # Errors
/// The database does not answer.
pub async fn item_codes_in_use(
    on: &impl Executor,
    organisation_id: Uuid,
) -> Result<Vec<UncoveredItem>, StorageError> {
    let sql = "select item_code, count(*) as assets from assets where organisation_id = $1 and is_active
               group by item_code order by item_code";
    let rows = on.rows(sql, &[&organisation_id]).await?;
    Ok(rows.iter().map(|row| UncoveredItem { item_code: row.get(0), assets: row.get(1) }).collect())
}
