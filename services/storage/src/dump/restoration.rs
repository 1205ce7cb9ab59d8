//! A dump into an empty database.

use std::collections::HashMap;

use bytes::Bytes;
use firemode_runtime::settings::Settings;
use futures_util::{SinkExt as _, Stream, StreamExt as _};
use tokio_postgres::Client;

use super::{Sequence, Table, quoted, target};
use crate::database::connect_alone;
use crate::migrations::{self, MigrationError};
use crate::{Purpose, StorageError};

/// An empty database that is being filled, in one transaction.
#[derive(Debug)]
pub struct Restoration {
    client: Client,
    /// Tables whose row-level security holds for their owner too; `COPY` takes no rows into such a one, so it is lifted until all
    /// are there, in the same transaction.
    guarded: Vec<String>,
}

/// Why the database takes no dump.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// It has an organisation already.
    #[error("the database is not empty: it has {0} organisation(s); nothing was changed")]
    NotEmpty(i64),
    /// Its schema is newer than the dump's.
    #[error(
        "the database has schema version {database} already, newer than the backup's {dump}; use an empty one"
    )]
    SchemaTooNew {
        /// The database's version.
        database: i32,
        /// The dump's version.
        dump: i32,
    },
    /// The dump's schema is newer than this binary.
    #[error(
        "the backup has schema version {dump}; this FireMode knows {known} at most: use the version that made it"
    )]
    BinaryTooOld {
        /// The dump's version.
        dump: i32,
        /// The newest version that this binary knows.
        known: i32,
    },
    /// What the dump names is not in its schema.
    #[error(
        "the backup does not fit the schema version {version} that it names: {what}. It was changed, or something else made it; \
         nothing was restored"
    )]
    Misfit {
        /// The version.
        version: i32,
        /// What is missing there.
        what: String,
    },
    /// The schema could not be made.
    #[error(transparent)]
    Migration(#[from] MigrationError),
    /// The database does not answer, or refused rows.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<tokio_postgres::Error> for RestoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Storage(error.into())
    }
}

impl Restoration {
    /// Brings an empty database to the schema of a dump and begins to fill it.
    ///
    /// # Errors
    /// [`RestoreError`]; the database has no rows then either.
    pub async fn begin(
        settings: &Settings,
        version: i32,
        tables: &[Table],
        sequences: &[Sequence],
    ) -> Result<Self, RestoreError> {
        let known = migrations::embedded_version();
        if version > known {
            return Err(RestoreError::BinaryTooOld { dump: version, known });
        }
        let mut client = connect_alone(settings).await?;
        let database = migrations::version_of(&client).await?;
        if database > version {
            return Err(RestoreError::SchemaTooNew { database, dump: version });
        }
        if database > 0 {
            refuse_full(&mut client).await?;
        }
        migrations::run_to(&mut client, version).await?;
        if let Some(what) = misfit(&client, tables, sequences).await? {
            return Err(RestoreError::Misfit { version, what });
        }
        let mut guarded = guarded(&client).await?;
        // Not those that a dump leaves out: evidence goes into its own meanwhile, on connections of its own.
        guarded.retain(|name| tables.iter().any(|table| table.name == *name));
        client.batch_execute("set statement_timeout = 0; set timezone = 'UTC'; begin").await?;
        for table in &guarded {
            let sql = format!("alter table {} no force row level security", quoted(table));
            client.batch_execute(&sql).await?;
        }
        // Triggers guard the record against rewriting, and rows are restored as they were written.
        for table in tables.iter().rev() {
            let name = quoted(&table.name);
            client
                .batch_execute(&format!("alter table {name} disable trigger user; delete from {name}"))
                .await?;
        }
        Ok(Self { client, guarded })
    }

    /// Puts the rows of a table back. Returns how many there were.
    ///
    /// # Errors
    /// The rows do not fit the table, or the database does not answer.
    pub async fn load<E>(
        &self,
        table: &Table,
        rows: impl Stream<Item = Result<Bytes, E>>,
    ) -> Result<u64, LoadError<E>> {
        let sql = format!("copy {} from stdin", target(table));
        let refused = |error| refused(table, error);
        let sink = self.client.copy_in(&sql).await.map_err(refused)?;
        let (mut sink, mut rows) = (std::pin::pin!(sink), std::pin::pin!(rows));
        while let Some(chunk) = rows.next().await {
            sink.send(chunk.map_err(LoadError::Source)?).await.map_err(refused)?;
        }
        sink.finish().await.map_err(refused)
    }

    /// Makes everything that was loaded durable, as a database of its own identity: what clients remember of the one that
    /// the dump was made of (cursors, change tokens) is refused, and so are their sign-ins. Migrates it to this
    /// binary's schema then.
    ///
    /// # Errors
    /// The database does not answer; nothing was restored, or only the last migrations are missing.
    pub async fn commit(
        self,
        settings: &Settings,
        tables: &[Table],
        sequences: &[Sequence],
    ) -> Result<(), RestoreError> {
        self.end_sign_ins(tables).await?;
        for table in tables {
            let sql = format!("alter table {} enable trigger user", quoted(&table.name));
            self.client.batch_execute(&sql).await?;
        }
        for table in &self.guarded {
            let sql = format!("alter table {} force row level security", quoted(table));
            self.client.batch_execute(&sql).await?;
        }
        for sequence in sequences {
            let name = quoted(&sequence.name);
            self.client
                .execute("select setval($1::text::regclass, $2)", &[&name, &sequence.last_value])
                .await?;
        }
        self.client.batch_execute("delete from database_incarnation; commit; analyze").await?;
        migrations::run(settings).await?;
        Ok(())
    }

    async fn end_sign_ins(&self, tables: &[Table]) -> Result<(), StorageError> {
        for (table, sql) in END_SIGN_INS {
            if tables.iter().any(|known| known.name == *table) {
                self.client.batch_execute(sql).await?;
            }
        }
        Ok(())
    }
}

/// Ends what the dump knows as valid and what may have been ended since: by a change of password, a sign-out, a revocation, or its
/// own use. The tables are those of every schema, as far as this one has them.
const END_SIGN_INS: &[(&str, &str)] = &[
    ("refresh_tokens", "update refresh_tokens set revoked_at = clock_timestamp() where revoked_at is null"),
    ("users", "update users set not_before = clock_timestamp()"),
    // No access token lives longer than a day.
    (
        "token_revocation_list",
        "insert into token_revocation_list (id, organisation_id, user_id, not_before, expires_at)
         select gen_random_uuid(), organisation_id, id, not_before, now() + interval '25 hours' from users",
    ),
    ("account_tokens", "delete from account_tokens"),
];

/// Rows could not be put back.
#[derive(Debug, thiserror::Error)]
pub enum LoadError<E> {
    /// Where they come from failed.
    #[error(transparent)]
    Source(E),
    /// The database refused them.
    #[error("rows of the table {table} do not fit: {reason}")]
    Misfit {
        /// The table.
        table: String,
        /// What PostgreSQL says, and of which line.
        reason: String,
    },
    /// The database does not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

fn refused<E>(table: &Table, error: tokio_postgres::Error) -> LoadError<E> {
    let Some(db) = error.as_db_error() else { return LoadError::Storage(error.into()) };
    let place = db.where_().map(|place| format!(" ({place})")).unwrap_or_default();
    LoadError::Misfit { table: table.name.clone(), reason: format!("{}{place}", db.message()) }
}

/// A table, column or sequence that a dump names and the schema does not have.
async fn misfit(
    client: &Client,
    tables: &[Table],
    sequences: &[Sequence],
) -> Result<Option<String>, StorageError> {
    let sql = "select c.relname::text, array_agg(a.attname::text) from pg_class c
               join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
               where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'S') group by c.oid";
    let rows = client.query(sql, &[]).await?;
    let known: HashMap<String, Vec<String>> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let table = tables.iter().find_map(|table| {
        let Some(columns) = known.get(&table.name) else {
            return Some(format!("it has no table {}", table.name));
        };
        let column = table.columns.iter().find(|column| !columns.contains(column))?;
        Some(format!("its table {} has no column {column}", table.name))
    });
    let sequence = sequences.iter().find(|sequence| !known.contains_key(&sequence.name));
    Ok(table.or_else(|| sequence.map(|sequence| format!("it has no sequence {}", sequence.name))))
}

async fn guarded(client: &Client) -> Result<Vec<String>, StorageError> {
    let sql = "select relname::text from pg_class
               where relnamespace = current_schema()::regnamespace and relforcerowsecurity order by relname";
    Ok(client.query(sql, &[]).await?.iter().map(|row| row.get(0)).collect())
}

async fn refuse_full(client: &mut Client) -> Result<(), RestoreError> {
    let tx = client.transaction().await?;
    tx.batch_execute(&Purpose::Operator.setting()).await?;
    match tx.query_one("select count(*) from organisations", &[]).await?.get(0) {
        0 => Ok(()),
        organisations => Err(RestoreError::NotEmpty(organisations)),
    }
}
