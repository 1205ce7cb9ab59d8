//! All rows of the database as text, and back: what backups are made of.
//!
//! PostgreSQL's own `COPY` writes and reads the rows; the schema comes from the migrations that every binary carries. So a
//! dump needs no other program, and goes from one major version of PostgreSQL to another.

use bytes::Bytes;
use firemode_runtime::settings::Settings;
use futures_util::{SinkExt as _, Stream, StreamExt as _, TryStreamExt as _};
use serde::{Deserialize, Serialize};
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;

use crate::StorageError;
use crate::database::connect_alone;
use crate::migrations::{self, MigrationError};

/// Tables that a restored database makes by itself: what was migrated, and which cluster it lives in.
const MADE_ANEW: &[&str] = &["refinery_schema_history", "database_incarnation"];

/// A table and those of its columns that are copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its columns, without generated ones and without transaction ids (`xid8`), which belong to a cluster: restored rows
    /// get the id of the transaction that restores them.
    pub columns: Vec<String>,
}

/// The present value of a sequence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sequence {
    /// Its name.
    pub name: String,
    /// The number that it gave last.
    pub last_value: i64,
}

/// Evidence that rows of a dump refer to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// Where the store keeps it.
    pub storage_key: String,
    /// SHA-256 of its bytes.
    pub sha256: Vec<u8>,
    /// Number of bytes.
    pub size_bytes: u64,
}

/// The database as it was at one moment, whatever is written meanwhile.
#[derive(Debug)]
pub struct Snapshot {
    client: Client,
}

/// An empty database that is being filled, in one transaction.
#[derive(Debug)]
pub struct Restoration {
    client: Client,
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

impl Snapshot {
    /// Opens one on a connection of its own.
    ///
    /// # Errors
    /// The database cannot be reached.
    pub async fn open(settings: &Settings) -> Result<Self, StorageError> {
        let client = connect_alone(settings).await?;
        // Rows that a policy hides would be missing without a word; so the statement fails instead.
        client
            .batch_execute(
                "set statement_timeout = 0; set row_security = off; set timezone = 'UTC'; set datestyle = 'ISO';
                 set extra_float_digits = 1; set bytea_output = 'hex';
                 begin transaction isolation level repeatable read, read only",
            )
            .await?;
        Ok(Self { client })
    }

    /// The schema's version; 0 where nothing was migrated yet.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn schema_version(&self) -> Result<i32, StorageError> {
        migrations::version_of(&self.client).await
    }

    /// All tables; each comes after those that it refers to.
    ///
    /// # Errors
    /// The database does not answer, or tables refer to each other in a circle.
    pub async fn tables(&self) -> Result<Vec<Table>, StorageError> {
        let rows = self
            .client
            .query(
                "select c.relname::text,
                        (select array_agg(a.attname::text order by a.attnum) from pg_attribute a
                         where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
                           and a.atttypid <> 'xid8'::regtype),
                        (select coalesce(array_agg(distinct f.confrelid::regclass::text), '{}') from pg_constraint f
                         where f.conrelid = c.oid and f.contype = 'f' and f.confrelid <> c.oid)
                 from pg_class c
                 where c.relnamespace = current_schema()::regnamespace and c.relkind = 'r'
                   and c.relname <> all ($1)
                 order by c.relname",
                &[&MADE_ANEW],
            )
            .await?;
        let read = |row: &tokio_postgres::Row| {
            (Table { name: row.get(0), columns: row.get(1) }, row.get::<_, Vec<String>>(2))
        };
        in_order(rows.iter().map(read).collect())
    }

    /// All sequences that have given a number.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn sequences(&self) -> Result<Vec<Sequence>, StorageError> {
        let sql = "select sequencename::text, last_value from pg_sequences
                   where schemaname = current_schema() and last_value is not null order by sequencename";
        let rows = self.client.query(sql, &[]).await?;
        Ok(rows.iter().map(|row| Sequence { name: row.get(0), last_value: row.get(1) }).collect())
    }

    /// The rows of a table, in PostgreSQL's text format.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn rows(
        &self,
        table: &Table,
    ) -> Result<impl Stream<Item = Result<Bytes, StorageError>> + use<>, StorageError> {
        let stream = self.client.copy_out(&format!("copy {} to stdout", target(table))).await?;
        Ok(stream.map_err(StorageError::from))
    }

    /// All evidence that the rows refer to.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn blobs(
        &self,
    ) -> Result<impl Stream<Item = Result<Blob, StorageError>> + use<>, StorageError> {
        let sql = "select storage_key, sha256, size_bytes from evidence_blobs order by storage_key";
        let rows = self.client.query_raw(sql, std::iter::empty::<&(dyn ToSql + Sync)>()).await?;
        Ok(rows.map(|row| {
            let row = row?;
            let size_bytes = row.get::<_, i64>(2).cast_unsigned();
            Ok(Blob { storage_key: row.get(0), sha256: row.get(1), size_bytes })
        }))
    }
}

impl Restoration {
    /// Brings an empty database to the schema of a dump and begins to fill it.
    ///
    /// # Errors
    /// [`RestoreError`]; the database has no rows then either.
    pub async fn begin(settings: &Settings, version: i32, tables: &[Table]) -> Result<Self, RestoreError> {
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
            refuse_full(&client).await?;
        }
        migrations::run_to(&mut client, version).await?;
        client.batch_execute("set statement_timeout = 0; set timezone = 'UTC'; begin").await?;
        // Triggers guard the record against rewriting, and rows are restored as they were written.
        for table in tables.iter().rev() {
            let name = quoted(&table.name);
            client
                .batch_execute(&format!("alter table {name} disable trigger user; delete from {name}"))
                .await?;
        }
        Ok(Self { client })
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
        let sink = self.client.copy_in(&sql).await.map_err(StorageError::from)?;
        let (mut sink, mut rows) = (std::pin::pin!(sink), std::pin::pin!(rows));
        while let Some(chunk) = rows.next().await {
            sink.send(chunk.map_err(LoadError::Source)?).await.map_err(StorageError::from)?;
        }
        Ok(sink.finish().await.map_err(StorageError::from)?)
    }

    /// Makes everything that was loaded durable, as a database of its own identity: what clients remember of the one that
    /// the dump was made of (cursors, change tokens) is refused. Migrates it to this binary's schema then.
    ///
    /// # Errors
    /// The database does not answer; nothing was restored, or only the last migrations are missing.
    pub async fn commit(
        self,
        settings: &Settings,
        tables: &[Table],
        sequences: &[Sequence],
    ) -> Result<(), RestoreError> {
        for table in tables {
            let sql = format!("alter table {} enable trigger user", quoted(&table.name));
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
}

/// Rows could not be put back.
#[derive(Debug, thiserror::Error)]
pub enum LoadError<E> {
    /// Where they come from failed.
    #[error(transparent)]
    Source(E),
    /// The database refused them.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

async fn refuse_full(client: &Client) -> Result<(), RestoreError> {
    match client.query_one("select count(*) from organisations", &[]).await?.get(0) {
        0 => Ok(()),
        organisations => Err(RestoreError::NotEmpty(organisations)),
    }
}

/// `"name" ("column", …)`
fn target(table: &Table) -> String {
    let columns: Vec<String> = table.columns.iter().map(|column| quoted(column)).collect();
    format!("{} ({})", quoted(&table.name), columns.join(", "))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Puts each table behind those that it refers to.
fn in_order(mut waiting: Vec<(Table, Vec<String>)>) -> Result<Vec<Table>, StorageError> {
    let mut ordered: Vec<Table> = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let is_there = |name: &String| ordered.iter().any(|table| table.name == *name);
        let next = waiting.iter().position(|(_, needs)| needs.iter().all(is_there));
        let next =
            next.ok_or_else(|| StorageError::Damaged("tables refer to each other in a circle".to_owned()))?;
        ordered.push(waiting.remove(next).0);
    }
    Ok(ordered)
}
