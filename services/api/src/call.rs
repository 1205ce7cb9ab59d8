//! One call of the API: who makes it, what names it in the log, and what the process has for it, in one value.

use std::future::{Ready, ready};
use std::ops::Deref;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use firemode_storage::{ReadTransaction, Transaction, audit};
use firemode_web::{IdempotencyKey, Outcome, Problem, RequestContext};
use serde_json::Value;
use uuid::Uuid;

use crate::acts::act;
use crate::etag;
use crate::principal::Principal;
use crate::state::ApiState;

/// The fingerprint of a request without a body.
pub(crate) const NO_BODY: [u8; 32] = [0; 32];

/// One call of a route that needs no access token.
#[derive(Clone)]
pub(crate) struct PublicCall {
    pub(crate) request: HttpRequest,
    pub(crate) context: RequestContext,
    pub(crate) state: web::Data<ApiState>,
}

/// One call of the API by somebody with an access token: all that a public call has, and who makes it.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) principal: Principal,
    public: PublicCall,
}

impl Deref for Call {
    type Target = PublicCall;

    fn deref(&self) -> &PublicCall {
        &self.public
    }
}

impl FromRequest for PublicCall {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request))
    }
}

impl PublicCall {
    fn of(request: &HttpRequest) -> Result<Self, Problem> {
        let state = request.app_data::<web::Data<ApiState>>().cloned();
        Ok(Self {
            request: request.clone(),
            context: RequestContext::of(request)?,
            state: state.ok_or_else(|| Problem::internal("the application has no state"))?,
        })
    }
}

impl FromRequest for Call {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request))
    }
}

impl Call {
    /// The call that a request is.
    pub(crate) fn of(request: &HttpRequest) -> Result<Self, Problem> {
        Ok(Self { principal: Principal::of(request)?, public: PublicCall::of(request)? })
    }

    /// Whose rows it may see.
    pub(crate) fn organisation_id(&self) -> Uuid {
        self.principal.organisation_id
    }

    /// Who makes it.
    pub(crate) fn user_id(&self) -> Uuid {
        self.principal.user_id
    }

    /// Begins a transaction that only reads the organisation's rows.
    pub(crate) async fn read(&self) -> Result<ReadTransaction, Problem> {
        Ok(self.state.database.tenant(self.organisation_id()).read().await?)
    }

    /// Begins a transaction that may write the organisation's rows.
    pub(crate) async fn transaction(&self) -> Result<Transaction, Problem> {
        Ok(self.state.database.tenant(self.organisation_id()).transaction().await?)
    }

    /// 412 where the caller has read an older state than the one with this tag.
    pub(crate) fn check_if_match(&self, tag: &str) -> Result<(), Problem> {
        etag::check_if_match(&self.request, tag)
    }

    /// Puts an act of the caller on record, in the transaction of the act.
    pub(crate) async fn record(
        &self,
        tx: &Transaction,
        action: &'static str,
        resource: (&'static str, Uuid),
        before: Option<Value>,
        after: Option<Value>,
    ) -> Result<(), Problem> {
        let event = act(&self.principal, self.context, action, resource, before, after);
        Ok(audit::record(tx, &[event]).await?)
    }

    /// Runs an act in one transaction, once for each key: see [`firemode_web::run_once`].
    pub(crate) async fn run_once(
        &self,
        key: &IdempotencyKey,
        fingerprint: &[u8],
        act: impl AsyncFnMut(&Transaction) -> Result<Outcome, Problem>,
    ) -> Result<Outcome, Problem> {
        self.state.run_once(&self.principal, key, fingerprint, act).await
    }
}
