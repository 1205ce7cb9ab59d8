//! Objects that people make, read and change one at a time: the same steps for each kind of them.

use std::future::{Future, ready};

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{ETAG, LOCATION};
use firemode_domain::audit::{Commitments, OnRecord, Record};
use firemode_storage::{Executor, Hold, StorageError, Table, Transaction, audit, table};
use firemode_web::{IdempotencyKey, Outcome, Problem};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::call::Call;
use crate::etag;

/// A kind of object with rows in a table of its own.
pub(crate) trait Object: Table + OnRecord + Clone {
    /// What it is in the audit log.
    const NOUN: &'static str;

    /// What it is to people.
    const CALLED: &'static str = Self::NOUN;

    /// The object that it is in, where its path names one.
    fn parent(&self) -> Option<Uuid> {
        None
    }

    /// What has to hold of one together with what else there is, before it is stored.
    ///
    /// # Errors
    /// 422 naming the field at fault.
    fn check(&self, _: &Transaction, _: Uuid) -> impl Future<Output = Result<(), Problem>> {
        ready(Ok(()))
    }

    /// What it means for the client that the database refuses one.
    fn refused(error: StorageError) -> Problem {
        error.into()
    }
}

/// The object that a path names: by its id, behind that of the object that it is in where there is one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    parent: Option<Uuid>,
    id: Uuid,
}

impl From<Uuid> for Place {
    fn from(id: Uuid) -> Self {
        Self { parent: None, id }
    }
}

impl From<(Uuid, Uuid)> for Place {
    fn from((parent, id): (Uuid, Uuid)) -> Self {
        Self { parent: Some(parent), id }
    }
}

impl Call {
    /// The object that a path names.
    ///
    /// # Errors
    /// 404 where the organisation has none there.
    pub(crate) async fn find<T: Object>(
        &self,
        on: &impl Executor,
        place: impl Into<Place>,
        hold: Hold,
    ) -> Result<T, Problem> {
        let Place { parent, id } = place.into();
        let found = table::find::<T>(on, self.organisation_id(), id, hold).await?;
        found.filter(|object| object.parent() == parent).ok_or_else(|| Problem::not_found(T::CALLED))
    }

    /// Answers with the object that a path names, and its `ETag`.
    ///
    /// # Errors
    /// As for [`Self::find`].
    pub(crate) async fn show<T: Object + Serialize>(
        &self,
        place: impl Into<Place>,
    ) -> Result<HttpResponse, Problem> {
        let tx = self.read().await?;
        Ok(shown(&self.find::<T>(&tx, place, Hold::None).await?))
    }

    /// Makes an object and puts that on record.
    ///
    /// # Errors
    /// [`Object::refused`].
    pub(crate) async fn make<T: Object>(
        &self,
        tx: &Transaction,
        object: &T,
        action: &'static str,
    ) -> Result<T, Problem> {
        object.check(tx, self.organisation_id()).await?;
        let made = table::insert(tx, self.organisation_id(), object).await.map_err(T::refused)?;
        self.record_made(tx, action, (T::NOUN, made.id()), &made).await?;
        Ok(made)
    }

    /// Puts on record that something was made.
    pub(crate) async fn record_made(
        &self,
        tx: &Transaction,
        action: &'static str,
        resource: (&'static str, Uuid),
        made: &impl OnRecord,
    ) -> Result<(), Problem> {
        let commitments = audit::commitments(tx, self.organisation_id(), resource.1).await?;
        self.record(tx, action, resource, None, on_record(&commitments, made)?).await
    }

    /// Makes an object in the one that a path names, once for each key, and answers with it, its `Location` and its `ETag`.
    ///
    /// # Errors
    /// 404 where the organisation has none there; [`Object::refused`], and those of [`firemode_web::run_once`].
    pub(crate) async fn create_in<P: Object, T: Object + Serialize>(
        &self,
        key: &IdempotencyKey,
        fingerprint: &[u8],
        parent: Uuid,
        object: &T,
        action: &'static str,
    ) -> Result<HttpResponse, Problem> {
        let made = async |tx: &Transaction| {
            self.find::<P>(tx, parent, Hold::None).await?;
            Outcome::new(StatusCode::CREATED, &self.make(tx, object, action).await?)
        };
        self.created(self.run_once(key, fingerprint, made).await?, etag::of_body)
    }

    /// Changes the object that a path names: finds and holds it, looks at `If-Match`, and where that changes anything, stores it and
    /// puts what it was and is on record.
    ///
    /// # Errors
    /// As for [`Self::find`]; 412; [`Object::refused`].
    pub(crate) async fn change<T: Object>(
        &self,
        place: impl Into<Place>,
        action: &'static str,
        apply: impl FnOnce(&mut T),
    ) -> Result<T, Problem> {
        let tx = self.transaction().await?;
        let before: T = self.find(&tx, place, Hold::Alone).await?;
        self.check_if_match(&etag::of_time(before.updated_at()))?;
        let mut wanted = before.clone();
        apply(&mut wanted);
        let Some(after) = self.change_held(&tx, action, &before, &wanted).await? else { return Ok(before) };
        tx.commit().await?;
        Ok(after)
    }

    /// The same for an object that the transaction holds. None where nothing changes.
    ///
    /// # Errors
    /// [`Object::check`] and [`Object::refused`].
    pub(crate) async fn change_held<T: Object>(
        &self,
        tx: &Transaction,
        action: &'static str,
        before: &T,
        wanted: &T,
    ) -> Result<Option<T>, Problem> {
        wanted.check(tx, self.organisation_id()).await?;
        let changed = table::update(tx, self.organisation_id(), before, wanted).await.map_err(T::refused)?;
        if let Some(after) = &changed {
            self.record_change(tx, action, before, after).await?;
        }
        Ok(changed)
    }

    /// Deletes the object that a path names, which nothing refers to, and puts what it was on record.
    ///
    /// # Errors
    /// As for [`Self::find`]; 412; [`Object::refused`].
    pub(crate) async fn remove<T: Object>(
        &self,
        place: impl Into<Place>,
        action: &'static str,
    ) -> Result<(), Problem> {
        let tx = self.transaction().await?;
        let object: T = self.find(&tx, place, Hold::Alone).await?;
        self.check_if_match(&etag::of_time(object.updated_at()))?;
        table::delete(&tx, self.organisation_id(), &object).await.map_err(T::refused)?;
        let commitments = audit::commitments(&tx, self.organisation_id(), object.id()).await?;
        self.record(&tx, action, (T::NOUN, object.id()), on_record(&commitments, &object)?, None).await?;
        Ok(tx.commit().await?)
    }

    /// Puts on record what an object was and is.
    pub(crate) async fn record_change<T: Object>(
        &self,
        tx: &Transaction,
        action: &'static str,
        before: &T,
        after: &T,
    ) -> Result<(), Problem> {
        let commitments = audit::commitments(tx, self.organisation_id(), after.id()).await?;
        let (was, is) = (on_record(&commitments, before)?, on_record(&commitments, after)?);
        self.record(tx, action, (T::NOUN, after.id()), was, is).await
    }

    /// The answer to a request that makes objects in the collection of its path. Where it made one, `Location` names it and `ETag` its
    /// state.
    pub(crate) fn created(
        &self,
        outcome: Outcome,
        tag: fn(&Value) -> Option<String>,
    ) -> Result<HttpResponse, Problem> {
        outcome.respond_created(|body| {
            let location = body["id"].as_str().map(|id| format!("{}/{id}", self.request.path()));
            [(LOCATION, location), (ETAG, tag(body))]
        })
    }
}

/// The answer with an object and its `ETag`.
pub(crate) fn shown<T: Object + Serialize>(object: &T) -> HttpResponse {
    HttpResponse::Ok().insert_header((ETAG, etag::of_time(object.updated_at()))).json(object)
}

/// What the audit log says of an object before or after an act.
pub(crate) fn on_record(
    commitments: &Commitments,
    resource: &impl OnRecord,
) -> Result<Option<Value>, Problem> {
    Record::of(commitments, resource).map(Some).map_err(Problem::internal)
}
