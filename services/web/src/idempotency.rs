//! `Idempotency-Key`: the first answer again for the same request.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{ContentType, HeaderName};
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use firemode_storage::idempotency::{self, IdempotencyScope, KeyClaim, StoredAnswer};
use firemode_storage::{TenantScope, Transaction};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{ObjectBuilder, Required, Type};
use uuid::Uuid;

use crate::{Problem, catalogue};

/// The request header.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The answer header of a repeated answer.
pub const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

const KEY_CHARACTERS_MAX: usize = 255;

/// A client's key for one request, if it sent one.
#[derive(Debug, Clone)]
pub struct IdempotencyKey {
    key: Option<String>,
    method: String,
    path: String,
}

/// What a request gives: a status and a body that can be stored and given again.
#[derive(Debug)]
pub struct Outcome {
    /// The status, below 500.
    pub status: StatusCode,
    /// The body, as it is sent.
    pub body: Box<RawValue>,
    /// True where it was given before.
    pub replayed: bool,
}

impl IdempotencyKey {
    /// Reads a key: 1 to 255 visible ASCII characters, bare or as a quoted structured string (RFC 8941).
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &str) -> Result<String, &'static str> {
        let quoted =
            text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).filter(|_| text.len() >= 2);
        let key = match quoted {
            Some(inner) => inner.replace("\\\"", "\"").replace("\\\\", "\\"),
            None => text.to_owned(),
        };
        if key.is_empty() || key.len() > KEY_CHARACTERS_MAX {
            Err("must have 1 to 255 characters")
        } else if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            Err("must have visible ASCII characters only")
        } else {
            Ok(key)
        }
    }

    /// The key that the body gives where the header gives none.
    ///
    /// # Errors
    /// 422 where it is not a key, 400 where header and body differ.
    pub fn or_from_body(self, key: Option<&str>) -> Result<Self, Problem> {
        let Some(text) = key else { return Ok(self) };
        let key = Self::read(text).map_err(|why| Problem::invalid_field("idempotency_key", why))?;
        match &self.key {
            Some(header) if *header != key => Err(Problem::bad_request(
                "The Idempotency-Key header and idempotency_key in the body differ.",
            )),
            _ => Ok(Self { key: Some(key), ..self }),
        }
    }

    /// 400 where there is none.
    ///
    /// # Errors
    /// As said.
    pub fn required(self) -> Result<Self, Problem> {
        if self.key.is_some() { Ok(self) } else { Err(no_key()) }
    }

    /// The key with what it is good for, where the request needs one.
    ///
    /// # Errors
    /// 400 where there is none.
    pub fn required_scope(&self, organisation_id: Uuid, user_id: Uuid) -> Result<IdempotencyScope, Problem> {
        self.scope(organisation_id, user_id).ok_or_else(no_key)
    }

    /// The key with what it is good for.
    pub fn scope(&self, organisation_id: Uuid, user_id: Uuid) -> Option<IdempotencyScope> {
        let key = self.key.clone()?;
        Some(IdempotencyScope {
            organisation_id,
            user_id,
            method: self.method.clone(),
            path: self.path.clone(),
            key,
        })
    }
}

impl FromRequest for IdempotencyKey {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let header = request.headers().get(IDEMPOTENCY_KEY);
        let key = header
            .map(|value| {
                let text = value.to_str().map_err(|_| "must have visible ASCII characters only");
                text.and_then(Self::read)
            })
            .transpose()
            .map_err(|why| Problem::bad_request(format!("Idempotency-Key {why}.")));
        ready(key.map(|key| Self {
            key,
            method: request.method().to_string(),
            path: request.path().to_owned(),
        }))
    }
}

impl IntoParams for IdempotencyKey {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let header = ParameterBuilder::new().name("Idempotency-Key").parameter_in(ParameterIn::Header);
        let header =
            header.required(Required::False).schema(Some(ObjectBuilder::new().schema_type(Type::String)));
        let description = "Makes a retry safe. Where the first answer has a secret, a repeated one has null.";
        vec![header.description(Some(description)).build()]
    }
}

impl Outcome {
    /// A first answer.
    ///
    /// # Errors
    /// The body cannot be put into JSON: a defect of ours.
    pub fn new(status: StatusCode, body: &impl serde::Serialize) -> Result<Self, Problem> {
        let body = to_raw_value(body).map_err(Problem::internal)?;
        Ok(Self { status, body, replayed: false })
    }

    /// The body, to be looked into.
    ///
    /// # Errors
    /// It is no JSON: a defect of ours.
    pub fn value(&self) -> Result<Value, Problem> {
        serde_json::from_str(self.body.get()).map_err(Problem::internal)
    }

    /// Puts a secret in the place of the null at a JSON Pointer, after the answer was stored without it: a repeated answer
    /// keeps the null.
    ///
    /// # Errors
    /// The body is no JSON: a defect of ours.
    pub fn reveal(self, pointer: &str, secret: impl Into<Value>) -> Result<Self, Problem> {
        if self.replayed { Ok(self) } else { self.put(pointer, secret) }
    }

    /// Puts what is not stored with an answer into its place at a JSON Pointer, each time that the answer is given.
    ///
    /// # Errors
    /// The body is no JSON: a defect of ours.
    pub fn put(self, pointer: &str, value: impl Into<Value>) -> Result<Self, Problem> {
        self.put_all([(pointer, value)])
    }

    /// The same for several places.
    ///
    /// # Errors
    /// The body is no JSON: a defect of ours.
    pub fn put_all<'p>(
        self,
        values: impl IntoIterator<Item = (&'p str, impl Into<Value>)>,
    ) -> Result<Self, Problem> {
        let mut body = self.value()?;
        for (pointer, value) in values {
            if let Some(place) = body.pointer_mut(pointer) {
                *place = value.into();
            }
        }
        Ok(Self { body: to_raw_value(&body).map_err(Problem::internal)?, ..self })
    }

    /// The answer as HTTP.
    pub fn respond(self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        if self.replayed {
            response.insert_header((IDEMPOTENT_REPLAYED, "true"));
        }
        response.content_type(ContentType::json()).body(String::from(Box::<str>::from(self.body)))
    }

    /// The answer as HTTP. Where it made something, it has the headers that `headers` finds for its body, the first time and each time
    /// that the answer is repeated.
    ///
    /// # Errors
    /// The body is no JSON: a defect of ours.
    pub fn respond_created<const N: usize>(
        self,
        headers: impl FnOnce(&Value) -> [(HeaderName, Option<String>); N],
    ) -> Result<HttpResponse, Problem> {
        if self.status != StatusCode::CREATED {
            return Ok(self.respond());
        }
        let headers = headers(&self.value()?);
        let mut response = self.respond();
        for (name, value) in headers {
            if let Some(value) = value.and_then(|value| value.try_into().ok()) {
                response.headers_mut().insert(name, value);
            }
        }
        Ok(response)
    }

    /// What is known of a request's key before anything is done: the first answer again, nothing, or a refusal.
    ///
    /// # Errors
    /// 422 for a key that was used for another request; 409 for one whose first request is still running.
    pub fn of_claim(claim: KeyClaim, fingerprint: &[u8]) -> Result<Option<Self>, Problem> {
        match claim {
            KeyClaim::New => Ok(None),
            KeyClaim::Answered(stored) => Self::replay(stored, fingerprint).map(Some),
            KeyClaim::InProgress => Err(Problem::in_progress()),
        }
    }

    /// The answer as it is stored for a repetition.
    pub fn stored(&self, fingerprint: &[u8]) -> StoredAnswer {
        StoredAnswer {
            fingerprint: fingerprint.to_vec(),
            status: self.status.as_u16(),
            answer: self.body.clone(),
        }
    }

    fn replay(stored: StoredAnswer, fingerprint: &[u8]) -> Result<Self, Problem> {
        if stored.fingerprint != fingerprint {
            let detail =
                "This Idempotency-Key was used for another request. Use a new one for each new request.";
            return Err(Problem::of(catalogue::IDEMPOTENCY, detail));
        }
        let status = StatusCode::from_u16(stored.status).map_err(Problem::internal)?;
        Ok(Self { status, body: stored.answer, replayed: true })
    }
}

/// Runs an act in one transaction that sees what `access` says, once for each key: key, effect and answer commit together. Failures
/// are not stored. Where the database has changed under the act's statements, its transaction is undone and it runs a second time: what
/// it leaves outside of the transaction has to be as if it had run once.
///
/// # Errors
/// What the act gives; 422 for a key that was used for another request; 409 for one whose first request is still running.
pub async fn run_once<A>(
    access: TenantScope<'_>,
    scope: Option<IdempotencyScope>,
    fingerprint: &[u8],
    days: u32,
    mut act: A,
) -> Result<Outcome, Problem>
where
    A: AsyncFnMut(&Transaction) -> Result<Outcome, Problem>,
{
    let mut may_run_again = true;
    loop {
        let tx = access.transaction().await?;
        match act_under(&tx, scope.as_ref(), fingerprint, days, &mut act).await {
            Ok(outcome) if !outcome.replayed => {
                tx.commit().await?;
                return Ok(outcome);
            }
            done => {
                let is_stale = tx.is_stale();
                // The key is free before the client gets its answer: it may send the next request under it at once.
                tx.abandon().await;
                if !(is_stale && std::mem::take(&mut may_run_again)) {
                    return done;
                }
            }
        }
    }
}

/// What [`run_once`] does before the transaction ends.
async fn act_under<A>(
    tx: &Transaction,
    scope: Option<&IdempotencyScope>,
    fingerprint: &[u8],
    days: u32,
    act: &mut A,
) -> Result<Outcome, Problem>
where
    A: AsyncFnMut(&Transaction) -> Result<Outcome, Problem>,
{
    let Some(scope) = scope else { return act(tx).await };
    let claim = idempotency::claim(tx, scope).await?;
    if let Some(outcome) = Outcome::of_claim(claim, fingerprint)? {
        return Ok(outcome);
    }
    let outcome = act(tx).await?;
    idempotency::store(tx, &[(scope, outcome.stored(fingerprint))], days).await?;
    Ok(outcome)
}

fn no_key() -> Problem {
    let detail = "This route needs an Idempotency-Key header: any text that is new for each new request and the same \
                  for each retry.";
    Problem::bad_request(detail)
}
