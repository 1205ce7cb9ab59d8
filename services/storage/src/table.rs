//! Tables of a tenant whose rows are made, found and changed one at a time: the statements that all of them have in common.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::row::Row;
use crate::sql::{self, Param};
use crate::{Executor, StorageError, Transaction};

/// A row of a table with `organisation_id`, `id` and `updated_at`, or of the table of organisations itself.
pub trait Table: Row {
    /// The table's name.
    const NAME: &'static str;

    /// The column that says whose the row is.
    #[doc(hidden)]
    const OF_TENANT: &'static str = "organisation_id";

    /// The row's id.
    fn id(&self) -> Uuid;

    /// When the row last changed.
    fn updated_at(&self) -> OffsetDateTime;

    /// Columns that follow from others and are not part of the row, where the row is made or has changed in a way that changes them.
    #[doc(hidden)]
    fn derived(_before: Option<&Self>, _after: &Self) -> Vec<(&'static str, Param<'static>)> {
        Vec::new()
    }
}

/// Stands in a row that is to be made, where the database says the time.
pub const BY_DATABASE: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

/// How a row is held while a transaction relies on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Not at all.
    None,
    /// Against a change (`FOR SHARE`): any number of transactions may hold it so together.
    AgainstChange,
    /// Alone (`FOR NO KEY UPDATE`), to change it: two transactions that hold it together cannot both go on to that.
    Alone,
}

impl Hold {
    pub(crate) const fn as_sql(self) -> &'static str {
        match self {
            Self::None => "",
            Self::AgainstChange => "for share",
            Self::Alone => "for no key update",
        }
    }
}

/// Finds a row of the organisation.
///
/// # Errors
/// The database does not answer.
pub async fn find<T: Table>(
    on: &impl Executor,
    organisation_id: Uuid,
    id: Uuid,
    hold: Hold,
) -> Result<Option<T>, StorageError> {
    let (columns, table, tenant, hold) = (T::columns(), T::NAME, T::OF_TENANT, hold.as_sql());
    let sql = format!("select {columns} from {table} where {tenant} = $1 and id = $2 {hold}");
    sql::optional(on, &sql, &[&organisation_id, &id]).await?.as_ref().map(T::read).transpose()
}

/// Makes a row, and gives it with what the database says of it.
///
/// # Errors
/// A rule of the schema refuses it (a constraint), or the database does not answer.
pub async fn insert<T: Table>(tx: &Transaction, organisation_id: Uuid, row: &T) -> Result<T, StorageError> {
    let mut names = vec![T::OF_TENANT];
    let mut params: Vec<Param<'_>> = vec![Box::new(organisation_id)];
    for (name, value) in row.written().into_iter().chain(T::derived(None, row)) {
        names.push(name);
        params.push(value);
    }
    let places: Vec<String> = (1..=names.len()).map(|place| format!("${place}")).collect();
    let sql = format!(
        "insert into {} ({}) values ({}) returning {}",
        T::NAME,
        names.join(", "),
        places.join(", "),
        T::columns()
    );
    T::read(&sql::one(tx, &sql, &sql::borrowed(&params)).await?)
}

/// Notes that a row has changed, in what belongs to it elsewhere.
///
/// # Errors
/// The database does not answer.
pub async fn touch<T: Table>(tx: &Transaction, organisation_id: Uuid, row: &T) -> Result<T, StorageError> {
    let (table, tenant, columns) = (T::NAME, T::OF_TENANT, T::columns());
    let sql =
        format!("update {table} set updated_at = now() where {tenant} = $1 and id = $2 returning {columns}");
    T::read(&sql::one(tx, &sql, &[&organisation_id, &row.id()]).await?)
}

/// Deletes a row.
///
/// # Errors
/// Another row refers to it (a constraint), or the database does not answer.
pub async fn delete<T: Table>(tx: &Transaction, organisation_id: Uuid, row: &T) -> Result<(), StorageError> {
    let sql = format!("delete from {} where {} = $1 and id = $2", T::NAME, T::OF_TENANT);
    tx.run(&sql, &[&organisation_id, &row.id()]).await?;
    Ok(())
}

/// Changes a row, which the transaction holds as it was before. None where it is so already: whether a change changes anything,
/// PostgreSQL says, for which 1 and 1.0 in free fields are the same.
///
/// # Errors
/// A rule of the schema refuses it (a constraint), or the database does not answer.
pub async fn update<T: Table>(
    tx: &Transaction,
    organisation_id: Uuid,
    before: &T,
    after: &T,
) -> Result<Option<T>, StorageError> {
    let mut params: Vec<Param<'_>> = vec![Box::new(organisation_id), Box::new(before.id())];
    let (mut names, mut places, mut sets) = (Vec::new(), Vec::new(), Vec::new());
    for (name, value) in after.written() {
        params.push(value);
        names.push(name);
        places.push(format!("${}", params.len()));
        sets.push(format!("{name} = ${}", params.len()));
    }
    for (name, value) in T::derived(Some(before), after) {
        params.push(value);
        sets.push(format!("{name} = ${}", params.len()));
    }
    let sql = format!(
        "update {} set {}, updated_at = now()
         where {} = $1 and id = $2 and row({}) is distinct from row({}) returning {}",
        T::NAME,
        sets.join(", "),
        T::OF_TENANT,
        names.join(", "),
        places.join(", "),
        T::columns()
    );
    sql::optional(tx, &sql, &sql::borrowed(&params)).await?.as_ref().map(T::read).transpose()
}
