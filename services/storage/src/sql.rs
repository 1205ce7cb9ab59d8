//! Runs statements that are prepared once per connection.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;

use deadpool_postgres::ClientWrapper;
use futures_util::FutureExt as _;
use futures_util::future::{MaybeDone, maybe_done};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::StorageError;
use crate::connection::{ReadTransaction, Transaction};
use crate::spans::traced;

/// Parameters of a statement.
pub(crate) type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// A parameter that a [`Statement`] owns.
pub(crate) type Param<'a> = Box<dyn ToSql + Sync + Send + 'a>;

/// A statement and its parameters, which may be sent along with others.
pub(crate) struct Statement<'a> {
    sql: Cow<'a, str>,
    params: Vec<Param<'a>>,
}

/// The parameters of a [`Statement`].
macro_rules! params {
    ($($param:expr),* $(,)?) => { vec![$(Box::new($param) as $crate::sql::Param<'_>),*] };
}
pub(crate) use params;

impl<'a> Statement<'a> {
    pub(crate) fn new(sql: impl Into<Cow<'a, str>>, params: Vec<Param<'a>>) -> Self {
        Self { sql: sql.into(), params }
    }

    /// Runs it alone.
    pub(crate) async fn rows(&self, on: &impl Executor) -> Result<Vec<Row>, StorageError> {
        on.rows(&self.sql, &self.params()).await
    }

    fn params(&self) -> Vec<&(dyn ToSql + Sync)> {
        borrowed(&self.params)
    }
}

/// Owned parameters, as a statement takes them.
pub(crate) fn borrowed<'p>(params: &'p [Param<'_>]) -> Vec<&'p (dyn ToSql + Sync)> {
    params.iter().map(|param| &**param as &(dyn ToSql + Sync)).collect()
}

/// Work whose first poll sends a message to the database, and the others wait for the answer.
type Sending<'a, T> = Pin<Box<dyn Future<Output = Result<T, tokio_postgres::Error>> + Send + 'a>>;

/// Runs statements in their order and in one round trip, each in a snapshot of its own, and gives the rows of each. One that cannot
/// be sent keeps those behind it from being sent; of several that the database refuses, the first is told.
pub(crate) async fn pipeline(
    client: &ClientWrapper,
    statements: &[Statement<'_>],
) -> Result<Vec<Vec<Row>>, tokio_postgres::Error> {
    // First all of them: between a statement and the next nothing may wait, or it would not be the next.
    let mut prepared = Vec::with_capacity(statements.len());
    for statement in statements {
        prepared.push(traced(&statement.sql, client.prepare_cached(&statement.sql)).await?);
    }
    let params: Vec<_> = statements.iter().map(Statement::params).collect();
    let queries = statements.iter().zip(&prepared).zip(&params).map(|((statement, prepared), params)| {
        Box::pin(traced(&statement.sql, client.query(prepared, params))) as Sending<'_, _>
    });
    let mut sent: Vec<MaybeDone<Sending<'_, Vec<Row>>>> = Vec::with_capacity(statements.len());
    for message in queries {
        let mut message = maybe_done(message);
        // Looked at once, it is on its way.
        let _ = (&mut message).now_or_never();
        let is_refused = matches!(&message, MaybeDone::Done(Err(_)));
        sent.push(message);
        if is_refused {
            break;
        }
    }
    let mut rows = Vec::with_capacity(sent.len());
    for mut message in sent {
        (&mut message).await;
        rows.push(Pin::new(&mut message).take_output().unwrap_or_else(|| Ok(Vec::new()))?);
    }
    Ok(rows)
}

/// A transaction: what a statement runs on.
pub trait Executor: Sync {
    /// All rows.
    #[doc(hidden)]
    fn rows(
        &self,
        sql: &str,
        params: Params<'_>,
    ) -> impl Future<Output = Result<Vec<Row>, StorageError>> + Send;

    /// The number of rows that changed.
    #[doc(hidden)]
    fn run(&self, sql: &str, params: Params<'_>) -> impl Future<Output = Result<u64, StorageError>> + Send;
}

macro_rules! executor {
    ($type:ty) => {
        impl Executor for $type {
            async fn rows(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, StorageError> {
                traced(sql, async {
                    let statement = self.client().prepare_cached(sql).await?;
                    self.client().query(&statement, params).await
                })
                .await
                .map_err(StorageError::from)
            }

            async fn run(&self, sql: &str, params: Params<'_>) -> Result<u64, StorageError> {
                traced(sql, async {
                    let statement = self.client().prepare_cached(sql).await?;
                    self.client().execute(&statement, params).await
                })
                .await
                .map_err(StorageError::from)
            }
        }
    };
}

executor!(ReadTransaction);
executor!(Transaction);

/// The one row that a statement gives, if it gives any.
pub(crate) async fn optional(
    on: &impl Executor,
    sql: &str,
    params: Params<'_>,
) -> Result<Option<Row>, StorageError> {
    Ok(on.rows(sql, params).await?.into_iter().next())
}

/// The one row that a statement always gives.
pub(crate) async fn one(on: &impl Executor, sql: &str, params: Params<'_>) -> Result<Row, StorageError> {
    optional(on, sql, params)
        .await?
        .ok_or_else(|| StorageError::Damaged("a statement gave no row".to_owned()))
}

/// The index that a row's `with ordinality` stands for.
pub(crate) fn place(ordinality: i64) -> usize {
    usize::try_from(ordinality - 1).unwrap_or(usize::MAX)
}
