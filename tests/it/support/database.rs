//! The way into the database, for what the API does not show.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, NoTls, Row};

use super::wait::eventually;

/// PostgreSQL's own ten seconds, and a little.
pub(crate) const TOLD_AFTER: Duration = Duration::from_millis(11_500);

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
        Self::try_connect(url).expect("the database answers")
    }

    /// The same, or why there is none.
    pub(crate) fn try_connect(url: &str) -> Result<Self, Error> {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
        let client = runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
            tokio::spawn(connection);
            Ok(client)
        })?;
        Ok(Self { runtime, client })
    }

    /// All rows.
    pub(crate) fn rows(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Vec<Row> {
        self.try_rows(sql, params).unwrap_or_else(|error| panic!("{sql}: {}", described(&error)))
    }

    /// All rows, or why there are none.
    pub(crate) fn try_rows(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Error> {
        self.runtime.block_on(self.client.query(sql, params))
    }

    /// Types of a statement's parameters, and names and types of its columns.
    pub(crate) fn form(&self, sql: &str) -> (Vec<String>, Vec<(String, String)>) {
        let prepared = self.runtime.block_on(self.client.prepare(sql));
        let prepared = prepared.unwrap_or_else(|error| panic!("{sql}: {}", described(&error)));
        let column = |column: &tokio_postgres::Column| (column.name().to_owned(), column.type_().to_string());
        (
            prepared.params().iter().map(ToString::to_string).collect(),
            prepared.columns().iter().map(column).collect(),
        )
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

    /// How many rows of these tables were read since the database was made, as far as connections have reported. They do when they have
    /// been idle for [`TOLD_AFTER`], and when they end.
    pub(crate) fn rows_read(&self, tables: &[&str]) -> BTreeMap<String, i64> {
        let read = "select relname::text, seq_tup_read + coalesce(idx_tup_fetch, 0) from pg_stat_user_tables where relname = any ($1)";
        self.rows(read, &[&tables]).iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    /// Ends the connections of the appliance, which makes others when it needs them.
    pub(crate) fn end_connections(&self) {
        let others =
            "from pg_stat_activity where application_name like 'firemode%' and pid <> pg_backend_pid()";
        let before = self.rows(&format!("select pid, pg_terminate_backend(pid) {others}"), &[]);
        let ended: Vec<i32> = before.iter().map(|row| row.get(0)).collect();
        eventually("the connections end", || {
            let left = format!("select count(*) {others} and pid = any ($1)");
            (self.count(&left, &[&ended]) == 0).then_some(())
        });
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
