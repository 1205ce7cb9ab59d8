//! Lists: what a query asks for, one page of it, and where the next one is.

use std::fmt;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{HeaderName, LINK};
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use firemode_domain::input::{At, Faults, Fields, Input, Members, SchemaFields};
use firemode_storage::page::{Keyset, Page};
use firemode_storage::{Hold, ReadTransaction};
use firemode_web::{CursorScope, PageQuery, Problem, query_parameters, read_query};
use serde::Serialize;
use serde_json::Value;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::call::{Call, PublicCall};
use crate::object::Object;

/// A list as clients see it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct List<T> {
    pub(crate) data: Vec<T>,
    /// Pass it as `cursor` to go on; null at the end.
    #[schema(required = true)]
    pub(crate) next_cursor: Option<String>,
}

/// What a list can be narrowed to: the parameters of its query besides `limit` and `cursor`.
pub(crate) trait Filters: Fields + fmt::Debug + 'static {
    /// The name of the list, and the filters in a fixed form: a cursor is good for these alone. They stay as they are from one release
    /// to the next, so that pages go on.
    fn scope(&self, path: &str, _parent: Option<Uuid>) -> (String, String) {
        (path.to_owned(), format!("{self:?}"))
    }
}

/// No filters: all there is.
#[derive(Debug)]
pub(crate) struct Everything;

impl Fields for Everything {
    fn of_members(members: Members<'_>) -> Option<Self> {
        members.finish();
        Some(Self)
    }
}

impl Input for Everything {
    fn read(value: Value, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        Self::of_members(Members::of_json(value, at, faults)?)
    }

    fn schema() -> RefOr<Schema> {
        SchemaFields::default().build(&[], None)
    }
}

impl Filters for Everything {
    fn scope(&self, path: &str, _: Option<Uuid>) -> (String, String) {
        (path.to_owned(), String::new())
    }
}

/// A request for one page of a list. It reads and checks the query, and describes its parameters in the documentation.
pub(crate) struct Listing<F> {
    pub(crate) call: Call,
    pub(crate) filter: F,
    page: PageQuery,
}

impl<F: Filters> FromRequest for Listing<F> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let read = || {
            let (page, filter) = read_query(request, |mut members| {
                let page = PageQuery::take(&mut members);
                let filter = F::of_members(members);
                page.zip(filter)
            })?;
            Ok(Self { call: Call::of(request)?, filter, page })
        };
        ready(read())
    }
}

impl<F: Filters> IntoParams for Listing<F> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let mut parameters = query_parameters::<PageQuery>();
        parameters.extend(query_parameters::<F>());
        parameters
    }
}

impl<F: Filters> Listing<F> {
    /// The same request with other filters, such as some that the caller cannot choose.
    pub(crate) fn narrowed<G: Filters>(self, to: impl FnOnce(F, &Call) -> G) -> Listing<G> {
        Listing { filter: to(self.filter, &self.call), call: self.call, page: self.page }
    }

    /// Answers with a page of what `rows` reads.
    ///
    /// # Errors
    /// 400 for a cursor that is not of this list, 410 for one from before a restore.
    pub(crate) async fn answer<T: Serialize>(
        self,
        rows: impl AsyncFnOnce(&ReadTransaction, &Self, &Keyset) -> Result<Page<T>, Problem>,
    ) -> Result<HttpResponse, Problem> {
        self.answer_from(rows, async |_, rows| Ok(rows)).await
    }

    /// The same with something that is said of the whole beside each page.
    ///
    /// # Errors
    /// As for [`Self::answer`].
    pub(crate) async fn answer_with<T, Whole, Body: Serialize>(
        self,
        rows: impl AsyncFnOnce(&ReadTransaction, &Self, &Keyset) -> Result<(Page<T>, Whole), Problem>,
        body: impl FnOnce(List<T>, Whole) -> Body,
    ) -> Result<HttpResponse, Problem> {
        let tx = self.call.read().await?;
        self.answer_in(tx, None, rows, async |_, list, whole| Ok(body(list, whole))).await
    }

    /// Answers with a page of what `shown` makes of the rows that were read, while no connection is held.
    ///
    /// # Errors
    /// Those of [`Self::answer`].
    pub(crate) async fn answer_from<R, T: Serialize>(
        self,
        rows: impl AsyncFnOnce(&ReadTransaction, &Self, &Keyset) -> Result<Page<R>, Problem>,
        shown: impl AsyncFnOnce(&Self, Vec<R>) -> Result<Vec<T>, Problem>,
    ) -> Result<HttpResponse, Problem> {
        let tx = self.call.read().await?;
        self.answer_shown(tx, None, rows, shown).await
    }

    /// The same for a list of what is in an object.
    ///
    /// # Errors
    /// 404 where there is no such object, and those of [`Self::answer`].
    pub(crate) async fn answer_within<P: Object, T: Serialize>(
        self,
        parent: Uuid,
        rows: impl AsyncFnOnce(&ReadTransaction, &Self, &Keyset) -> Result<Page<T>, Problem>,
    ) -> Result<HttpResponse, Problem> {
        self.answer_within_from::<P, T, T>(parent, rows, async |_, rows| Ok(rows)).await
    }

    /// As [`Self::answer_from`], for a list of what is in an object.
    ///
    /// # Errors
    /// 404 where there is no such object, and those of [`Self::answer`].
    pub(crate) async fn answer_within_from<P: Object, R, T: Serialize>(
        self,
        parent: Uuid,
        rows: impl AsyncFnOnce(&ReadTransaction, &Self, &Keyset) -> Result<Page<R>, Problem>,
        shown: impl AsyncFnOnce(&Self, Vec<R>) -> Result<Vec<T>, Problem>,
    ) -> Result<HttpResponse, Problem> {
        let tx = self.call.read().await?;
        self.call.find::<P>(&tx, parent, Hold::None).await?;
        self.answer_shown(tx, Some(parent), rows, shown).await
    }

    async fn answer_shown<R, T: Serialize>(
        &self,
        tx: ReadTransaction,
        parent: Option<Uuid>,
        rows: impl AsyncFnOnce(&ReadTransaction, &Self, &Keyset) -> Result<Page<R>, Problem>,
        shown: impl AsyncFnOnce(&Self, Vec<R>) -> Result<Vec<T>, Problem>,
    ) -> Result<HttpResponse, Problem> {
        let rows = async |tx: &_, list: &_, keyset: &_| Ok((rows(tx, list, keyset).await?, ()));
        let body = async |list: &_, List { data, next_cursor }: List<R>, ()| {
            Ok(List { data: shown(list, data).await?, next_cursor })
        };
        self.answer_in(tx, parent, rows, body).await
    }

    /// What the body is made of is read in the transaction, and the body made when no connection is held any more.
    async fn answer_in<R, Whole, Body: Serialize>(
        &self,
        tx: ReadTransaction,
        parent: Option<Uuid>,
        rows: impl AsyncFnOnce(&ReadTransaction, &Self, &Keyset) -> Result<(Page<R>, Whole), Problem>,
        body: impl AsyncFnOnce(&Self, List<R>, Whole) -> Result<Body, Problem>,
    ) -> Result<HttpResponse, Problem> {
        let PublicCall { request, state, .. } = &*self.call;
        let (list, filters) = self.filter.scope(request.path(), parent);
        let organisation_id = self.call.organisation_id();
        let scope = CursorScope { organisation_id, list: &list, filters: &filters };
        let keyset = state.cursor_key.keyset(&tx, &self.page, scope).await?;
        let (Page { rows: data, next }, whole) = rows(&tx, self, &keyset).await?;
        drop(tx);
        let next_cursor = next.map(|last| state.cursor_key.next(&keyset, last, scope)).transpose()?;
        let mut response = HttpResponse::Ok();
        if let Some(cursor) = &next_cursor {
            response.insert_header(link_next(request, &["cursor"], cursor));
        }
        Ok(response.json(body(self, List { data, next_cursor }, whole).await?))
    }
}

/// A `Link` to the next page: the same query with the cursor in the place of these parameters.
pub(crate) fn link_next(request: &HttpRequest, replaced: &[&str], cursor: &str) -> (HeaderName, String) {
    let is_kept =
        |pair: &&str| !pair.is_empty() && !replaced.contains(&pair.split('=').next().unwrap_or_default());
    let kept: Vec<&str> = request.query_string().split('&').filter(is_kept).collect();
    let joined = if kept.is_empty() { String::new() } else { format!("{}&", kept.join("&")) };
    let link = format!("<{}?{joined}cursor={cursor}>; rel=\"next\"", request.path());
    (LINK, link)
}

#[cfg(test)]
mod tests {
    use firemode_domain::audit::AuditStatus;
    use firemode_domain::evidence::EvidenceStatus;
    use firemode_domain::input::Repeated;
    use firemode_domain::role::Role;
    use firemode_domain::session::SessionStatus;
    use firemode_storage::assets::AssetFilter;
    use firemode_storage::audit::AuditFilter;
    use firemode_storage::buildings::BuildingFilter;
    use firemode_storage::evidence::EvidenceFilter;
    use firemode_storage::sessions::SessionFilter;
    use firemode_storage::users::UserFilter;

    use super::*;

    fn read<T: Input>(json: Value) -> Option<T> {
        firemode_domain::input::read(json).ok()
    }

    /// What cursors in the hands of clients, and those of an instance of an older release beside this one, are bound to.
    #[test]
    fn lists_are_named_as_they_were_in_the_first_release() {
        let id = Uuid::nil();
        let (name, time) = (Some("x".into()), Some("2026-01-02T03:04:05Z".into()));
        let scope = |filter: &dyn Fn() -> (String, String), list: &str, filters: &str| {
            assert_eq!(filter(), (list.to_owned(), filters.to_owned()));
        };
        let building = BuildingFilter { is_active: Some(true), q: None };
        scope(&|| building.scope("/v1/buildings", None), "/v1/buildings", "Some(true)");
        let asset = AssetFilter { is_active: None, measure_id: None };
        let of_building = "00000000-0000-0000-0000-000000000000 None";
        scope(&|| asset.scope("/v1/buildings/…/assets", Some(id)), "/v1/buildings/assets", of_building);
        let user = UserFilter { is_active: None, role: Some(Role::Admin) };
        scope(&|| user.scope("/v1/users", None), "/v1/users", "None Some(Admin)");
        let evidence = EvidenceFilter { item_id: read("a\"b".into()), status: Some(EvidenceStatus::Flagged) };
        let of_session = "00000000-0000-0000-0000-000000000000 EvidenceFilter { item_id: Some(\"a\\\"b\"), \
                          status: Some(\"flagged\") }";
        let list = "/v1/tests/sessions/{session_id}/evidence";
        scope(&|| evidence.scope("/v1/tests/sessions/…/evidence", Some(id)), list, of_session);
        let audit = AuditFilter {
            user_id: Some(id),
            action: name.and_then(read),
            status: Some(AuditStatus::Failure),
            ..AuditFilter::default()
        };
        let filters = "AuditFilter { user_id: Some(00000000-0000-0000-0000-000000000000), action: Some(\"x\"), \
                       resource_type: None, resource_id: None, status: Some(\"failure\") }";
        scope(&|| audit.scope("/v1/audit", None), "/v1/audit", filters);
        let session = SessionFilter {
            status: Repeated(vec![SessionStatus::Pending, SessionStatus::Active]),
            date_from: time.and_then(read),
            ..SessionFilter::default()
        };
        let filters = "SessionFilter { statuses: [Pending, Active], building_id: None, \
                       from: Some(2026-01-02 3:04:05.0 +00:00:00), to: None, technician_id: None }";
        scope(&|| session.scope("/v1/tests/sessions", None), "/v1/tests/sessions", filters);
        scope(&|| Everything.scope("/v1/x/history", Some(id)), "/v1/x/history", "");
    }
}
