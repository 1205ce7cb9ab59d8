//! Classification rules: those that the product ships, and an organisation's own.

use actix_web::http::StatusCode;
use actix_web::http::header::{ETAG, LOCATION};
use actix_web::{HttpResponse, web};
use firemode_domain::body;
use firemode_domain::classification::{
    CreateRule, Occasion, RULE_JSON_SCHEMA, Rule, in_force, rule_for_item,
};
use firemode_domain::place::{Jurisdiction, Place};
use firemode_storage::places::{self, PlaceKey, PlaceOf};
use firemode_storage::rules::{
    self, CODE_AND_VERSION_TAKEN, OWN_RULES_MAX, RuleFilter, StoredRule, UncoveredItem,
};
use firemode_storage::{StorageError, Transaction, audit};
use firemode_web::{Body, IdempotencyKey, Outcome, Params, Problem, catalogue};
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::call::Call;
use crate::etag::{self, IfMatch};
use crate::list::{Everything, Filters, List, Listing};
use crate::object::on_record;

const NOUN: &str = "rule";

body! {
    /// Where a rule is to decide.
    #[derive(Debug)]
    pub(crate) struct InJurisdiction {
        /// Left out: the organisation's default.
        pub(crate) jurisdiction: Option<Jurisdiction>,
    }
}

/// The version of a rule that decides today.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RuleInForce {
    #[serde(flatten)]
    rule: StoredRule,
    /// The version that is to decide next, from its day on; null: none is known.
    #[schema(nullable)]
    next: Option<StoredRule>,
}

/// Items of the organisation's assets that no rule covers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UncoveredItems {
    /// At most 1,000, in the order of their codes.
    data: Vec<UncoveredItem>,
}

/// Most items in one answer: what is missing is mended in steps.
const UNCOVERED_MAX: usize = 1_000;

impl Filters for RuleFilter {}

fn no_such_rule() -> Problem {
    Problem::not_found(NOUN)
}

fn refused(error: StorageError) -> Problem {
    match error.constraint() {
        Some(CODE_AND_VERSION_TAKEN) => Problem::of(
            catalogue::EXISTS,
            "You have a rule with this code and version already. A version never changes; take a higher one.",
        ),
        _ => error.into(),
    }
}

fn tag(rule: &Value) -> Option<String> {
    etag::of_json(rule).ok()
}

fn shown(rule: &StoredRule) -> Result<HttpResponse, Problem> {
    let body = serde_json::to_value(rule).map_err(Problem::internal)?;
    let mut response = HttpResponse::Ok();
    if let Some(tag) = tag(&body) {
        response.insert_header((ETAG, tag));
    }
    Ok(response.json(body))
}

/// Lists versions of rules, newest first
#[utoipa::path(get, path = "/v1/rules", tag = "rules", params(Listing<RuleFilter>),
    responses((status = 200, description = "One page.", body = List<StoredRule>)))]
pub(crate) async fn list(list: Listing<RuleFilter>) -> Result<HttpResponse, Problem> {
    list.answer(async |tx, Listing { call, filter, .. }, keyset| {
        Ok(rules::list(tx, call.organisation_id(), None, filter, keyset).await?)
    })
    .await
}

/// Makes a version of a rule of one's own
///
/// It stands before every shipped rule that covers the same item.
#[utoipa::path(post, path = "/v1/rules", tag = "rules", request_body = CreateRule, params(IdempotencyKey),
    responses((status = 201, description = "Made.", body = StoredRule),
              (status = 409, description = "There is one with this code and version."),
              (status = 422, description = "The rule could not be evaluated; `errors` names each fault by its JSON Pointer.")))]
pub(crate) async fn create(
    body: Body<CreateRule>,
    key: IdempotencyKey,
    call: Call,
) -> Result<HttpResponse, Problem> {
    let rule = body.value.rule(call.organisation_id());
    let make = async |tx: &Transaction| {
        let made = rules::insert(tx, call.organisation_id(), call.user_id(), &rule).await.map_err(refused)?;
        let made = made.ok_or_else(|| {
            Problem::invalid_field(
                "rule_code",
                format!("you have {OWN_RULES_MAX} versions of rules; ask the operator"),
            )
        })?;
        call.record_made(tx, "rule.create", (NOUN, made.id), &made).await?;
        Outcome::new(StatusCode::CREATED, &made)
    };
    call.run_once(&key, &body.fingerprint, make).await?.respond_created(|made| {
        let location = made["id"].as_str().map(|id| format!("{}/id/{id}", call.request.path()));
        [(LOCATION, location), (ETAG, tag(made))]
    })
}

/// The JSON Schema of a rule
#[utoipa::path(get, path = "/v1/rules/schema", tag = "rules",
    responses((status = 200, description = "JSON Schema (2020-12) of `rule_schema`.",
               content((Value = "application/schema+json")))))]
pub(crate) async fn schema() -> HttpResponse {
    HttpResponse::Ok().content_type("application/schema+json").body(RULE_JSON_SCHEMA)
}

/// Items of assets that no rule covers
#[utoipa::path(get, path = "/v1/rules/uncovered", tag = "rules", params(Params<InJurisdiction>),
    responses((status = 200, description = "Their codes, with how many active assets have each.", body = UncoveredItems)))]
pub(crate) async fn uncovered(asked: Params<InJurisdiction>, call: Call) -> Result<HttpResponse, Problem> {
    let tx = call.read().await?;
    let mut items = rules::item_codes_in_use(&tx, call.organisation_id()).await?;
    let item_codes: Vec<&str> = items.iter().map(|item| item.item_code.as_str()).collect();
    let known = rules::for_items(&tx, call.organisation_id(), &item_codes).await?;
    let occasion = occasion(&tx, &call, asked.0.jurisdiction).await?;
    items.retain(|item| rule_for_item(&known, &item.item_code, occasion).is_none());
    items.truncate(UNCOVERED_MAX);
    Ok(HttpResponse::Ok().json(UncoveredItems { data: items }))
}

/// Reads the version of a rule that decides today
#[utoipa::path(get, path = "/v1/rules/{rule_code}", tag = "rules",
    params(("rule_code" = String, Path, description = "Code of the rule.", example = "AS1851-10-EXT-PRESSURE"),
           Params<InJurisdiction>),
    responses((status = 200, description = "The version, and the one that is to decide next.", body = RuleInForce),
              (status = 404, description = "No version of such a rule decides today.")))]
pub(crate) async fn get(
    code: web::Path<String>,
    asked: Params<InJurisdiction>,
    call: Call,
) -> Result<HttpResponse, Problem> {
    let tx = call.read().await?;
    let stored = rules::versions(&tx, call.organisation_id(), &code).await?;
    let occasion = occasion(&tx, &call, asked.0.jurisdiction).await?;
    let parsed: Vec<Rule> = stored.iter().cloned().map(StoredRule::rule).collect::<Result<_, _>>()?;
    let of = |rule: &Rule| {
        stored.iter().zip(&parsed).find(|(_, known)| *known == rule).map(|(stored, _)| stored.clone())
    };
    let rule = in_force(&parsed, occasion).and_then(of).ok_or_else(no_such_rule)?;
    let next_day =
        parsed.iter().filter_map(|rule| rule.effective_from).filter(|day| *day > occasion.day).min();
    let next = next_day.and_then(|day| in_force(&parsed, Occasion { day, ..occasion })).and_then(of);
    let next = next.filter(|next| next.id != rule.id);
    Ok(HttpResponse::Ok().json(RuleInForce { rule, next }))
}

/// Lists the versions of a rule, newest first
#[utoipa::path(get, path = "/v1/rules/{rule_code}/versions", tag = "rules",
    params(("rule_code" = String, Path, description = "Code of the rule.", example = "AS1851-10-EXT-PRESSURE"),
           Listing<Everything>),
    responses((status = 200, description = "One page.", body = List<StoredRule>)))]
pub(crate) async fn versions(
    code: web::Path<String>,
    list: Listing<Everything>,
) -> Result<HttpResponse, Problem> {
    list.answer(async |tx, Listing { call, .. }, keyset| {
        let page =
            rules::list(tx, call.organisation_id(), Some(&code), &RuleFilter::default(), keyset).await?;
        if page.rows.is_empty() && keyset.after.is_none() {
            return Err(no_such_rule());
        }
        Ok(page)
    })
    .await
}

/// Reads a version of a rule
#[utoipa::path(get, path = "/v1/rules/id/{rule_id}", tag = "rules", params(("rule_id" = Uuid, Path)),
    responses((status = 200, description = "The version; `ETag` names its state.", body = StoredRule)))]
pub(crate) async fn get_version(id: web::Path<Uuid>, call: Call) -> Result<HttpResponse, Problem> {
    let tx = call.read().await?;
    shown(&rules::find(&tx, call.organisation_id(), *id).await?.ok_or_else(no_such_rule)?)
}

/// Turns a version of a rule on
///
/// For the caller's organisation alone; a shipped version stays as it is for others.
#[utoipa::path(put, path = "/v1/rules/id/{rule_id}/activate", tag = "rules", params(("rule_id" = Uuid, Path), IfMatch),
    responses((status = 200, description = "It is used, from now on or as before.", body = StoredRule)))]
pub(crate) async fn activate(id: web::Path<Uuid>, call: Call) -> Result<HttpResponse, Problem> {
    set_active(*id, &call, true, "rule.activate").await
}

/// Turns a version of a rule off
///
/// For the caller's organisation alone; a shipped version stays as it is for others.
#[utoipa::path(put, path = "/v1/rules/id/{rule_id}/deactivate", tag = "rules", params(("rule_id" = Uuid, Path), IfMatch),
    responses((status = 200, description = "It is not used, from now on or as before.", body = StoredRule)))]
pub(crate) async fn deactivate(id: web::Path<Uuid>, call: Call) -> Result<HttpResponse, Problem> {
    set_active(*id, &call, false, "rule.deactivate").await
}

async fn set_active(
    id: Uuid,
    call: &Call,
    is_active: bool,
    action: &'static str,
) -> Result<HttpResponse, Problem> {
    let tx = call.transaction().await?;
    let before = rules::hold(&tx, call.organisation_id(), id).await?.ok_or_else(no_such_rule)?;
    if let Some(tag) = tag(&serde_json::to_value(&before).map_err(Problem::internal)?) {
        call.check_if_match(&tag)?;
    }
    let after = StoredRule { is_active, ..before.clone() };
    if before.is_active != is_active {
        rules::set_active(&tx, call.organisation_id(), id, is_active, call.user_id()).await?;
        let commitments = audit::commitments(&tx, call.organisation_id(), id).await?;
        let (was, is) = (on_record(&commitments, &before)?, on_record(&commitments, &after)?);
        call.record(&tx, action, (NOUN, id), was, is).await?;
        tx.commit().await?;
    }
    shown(&after)
}

/// Today, in a jurisdiction or in the organisation's own.
async fn occasion(
    on: &impl firemode_storage::Executor,
    call: &Call,
    jurisdiction: Option<Jurisdiction>,
) -> Result<Occasion, Problem> {
    let place = places::find(on, PlaceKey::now(call.organisation_id(), PlaceOf::AnyBuilding)).await?;
    let Place { jurisdiction: own, time_zone } =
        place.ok_or_else(|| Problem::internal("an organisation is not there"))?;
    let time_zone = jurisdiction.map_or(time_zone, Jurisdiction::time_zone);
    let place = Place { jurisdiction: jurisdiction.or(own), time_zone };
    Ok(Occasion::at(&place, OffsetDateTime::now_utc()))
}
