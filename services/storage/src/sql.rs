//! Runs statements that are prepared once per connection.

use std::future::Future;

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::StorageError;
use crate::connection::{ReadTransaction, Transaction};
use crate::spans::traced;

/// Parameters of a statement.
pub(crate) type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

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
