//! The way into the database, for what the API does not show.

use std::thread::sleep;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, NoTls, Row};

use super::wait::eventually;

/// A connection of PostgreSQL's tells what it has done at most once a second.
const COUNTED_AFTER: Duration = Duration::from_millis(1_200);

/// A connection.
pub(crate) struct Sql {
    runtime: Runtime,
    client: Client,
}

impl Sql {
    /// A connection that sees every tenant's rows, as an operator's commands do.
    pub(crate) fn connect(url: &str) -> Self {
        let sql = Self::connect_unprivileged(url);
        sql.batch("set firemode.purpose = 'operator'");
        sql
    }

    /// A connection that sees no rows until a setting says whose.
    pub(crate) fn connect_unprivileged(url: &str) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
        let client = runtime.block_on(async {
            let (client, connection) =
                tokio_postgres::connect(url, NoTls).await.expect("the database answers");
            tokio::spawn(connection);
            client
        });
        Self { runtime, client }
    }

    /// All rows.
    pub(crate) fn rows(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Vec<Row> {
        self.try_rows(sql, params).unwrap_or_else(|error| panic!("{sql}: {}", described(&error)))
    }

    /// All rows, or why there are none.
    pub(crate) fn try_rows(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Error> {
        self.runtime.block_on(self.client.query(sql, params))
    }

    /// Runs statements that give no rows.
    pub(crate) fn batch(&self, sql: &str) {
        let done = self.runtime.block_on(self.client.batch_execute(sql));
        done.unwrap_or_else(|error| panic!("{sql}: {}", described(&error)));
    }

    /// The number that a statement counts.
    pub(crate) fn count(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> i64 {
        self.rows(sql, params)[0].get(0)
    }

    /// How many rows of these tables were read since the database was made, once PostgreSQL has counted all of them.
    pub(crate) fn rows_read(&self, tables: &[&str]) -> i64 {
        let read = "select sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::int8 from pg_stat_user_tables where relname = any ($1)";
        let mut last = -1;
        eventually("the count stands still", || {
            sleep(COUNTED_AFTER);
            self.batch("select pg_stat_clear_snapshot()");
            let now = self.count(read, &[&tables]);
            (std::mem::replace(&mut last, now) == now).then_some(now)
        })
    }

    /// What the database says to a statement that it must refuse: its code (SQLSTATE).
    pub(crate) fn refusal(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> String {
        match self.try_rows(sql, params) {
            Ok(_) => panic!("the database was to refuse: {sql}"),
            Err(error) => error.code().unwrap_or_else(|| panic!("{sql}: {error}")).code().to_owned(),
        }
    }
}

fn described(error: &Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), ToString::to_string)
}
