//! All rows of the database as text, and back: what backups are made of.
//!
//! PostgreSQL's own `COPY` writes and reads the rows; the schema comes from the migrations that every binary carries. So a
//! dump needs no other program, and goes from one major version of PostgreSQL to another.

mod restoration;

use bytes::Bytes;
use firemode_runtime::settings::Settings;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use serde::{Deserialize, Serialize};
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;

use crate::database::connect_alone;
use crate::migrations;
use crate::{Purpose, StorageError};

pub use restoration::{LoadError, Restoration, RestoreError};

/// Tables that a restored database makes by itself: what was migrated, which cluster it lives in, how often its rules have changed, and
/// how much evidence there is.
const MADE_ANEW: &[&str] = &[
    "refinery_schema_history",
    "database_incarnation",
    "evidence_growth",
    "evidence_totals",
    "rules_version",
    "rule_set_versions",
];

/// Tables that no dump has. Clients begin work in progress again; a restored database must not run jobs again, nor has it their reports.
/// Bytes of evidence go the way of all evidence; rows of `write_probes` only try whether one can be written; and copies, summaries and how
/// far clocks and observations are worked out are made again from the changes.
const LEFT_OUT: &[&str] = &[
    "evidence_chunks",
    "evidence_leases",
    "evidence_uploads",
    "evidence_upload_parts",
    "feed_changes",
    "idempotency_leases",
    "jobs",
    "projection_failures",
    "projection_place",
    "rule_impacts",
    "session_clocks",
    "session_clocks_place",
    "session_copies",
    "session_reviews",
    "session_snapshots",
    "session_summaries",
    "write_probes",
];

/// A table and those of its columns that are copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its columns, without generated ones and without transaction ids (`xid8`), which belong to a cluster: restored rows
    /// get the id of the transaction that restores them.
    pub columns: Vec<String>,
}

/// The tables of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tables {
    /// Ours; each comes after those that it refers to.
    pub ours: Vec<Table>,
    /// Names of those that no migration made.
    pub foreign: Vec<String>,
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

/// The database as it was at one moment, also while others write.
#[derive(Debug)]
pub struct DatabaseDump {
    client: Client,
}

impl DatabaseDump {
    /// Opens one on a connection of its own.
    ///
    /// # Errors
    /// The database cannot be reached.
    pub async fn open(settings: &Settings) -> Result<Self, StorageError> {
        let client = connect_alone(settings).await?;
        client
            .batch_execute(
                "set statement_timeout = 0; set timezone = 'UTC'; set datestyle = 'ISO';
                 set extra_float_digits = 1; set bytea_output = 'hex';
                 begin transaction isolation level repeatable read, read only",
            )
            .await?;
        client.batch_execute(&Purpose::Operator.setting()).await?;
        refuse_hidden(&client).await?;
        Ok(Self { client })
    }

    /// The schema's version; 0 where nothing was migrated yet.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn schema_version(&self) -> Result<i32, StorageError> {
        migrations::version_of(&self.client).await
    }

    /// All tables that a dump has, and those that it leaves out because they are not ours.
    ///
    /// # Errors
    /// The database does not answer, or tables refer to each other in a circle.
    pub async fn tables(&self) -> Result<Tables, StorageError> {
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
                &[&[MADE_ANEW, LEFT_OUT].concat()],
            )
            .await?;
        let read = |row: &tokio_postgres::Row| {
            (Table { name: row.get(0), columns: row.get(1) }, row.get::<_, Vec<String>>(2))
        };
        let known = migrations::tables();
        let (ours, foreign): (Vec<_>, Vec<_>) =
            rows.iter().map(read).partition(|(table, _)| known.contains(&table.name));
        let foreign = foreign.into_iter().map(|(table, _)| table.name).collect();
        Ok(Tables { ours: in_order(ours)?, foreign })
    }

    /// All sequences of these tables that have given a number.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn sequences(&self, tables: &[Table]) -> Result<Vec<Sequence>, StorageError> {
        let sql = "select s.sequencename::text, s.last_value from pg_sequences s
                   join pg_class c on c.relname = s.sequencename and c.relnamespace = current_schema()::regnamespace
                   join pg_depend d on d.objid = c.oid and d.deptype in ('a', 'i')
                   join pg_class t on t.oid = d.refobjid
                   where s.schemaname = current_schema() and s.last_value is not null and t.relname = any ($1)
                   order by s.sequencename";
        let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
        let rows = self.client.query(sql, &[&names]).await?;
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

/// A row that a policy hides would be missing from a dump without a word.
async fn refuse_hidden(client: &Client) -> Result<(), StorageError> {
    let sql = "select c.relname::text from pg_class c
               where c.relnamespace = current_schema()::regnamespace and c.relrowsecurity
                 and not exists (select from pg_policy p where p.polrelid = c.oid and p.polname = 'operator')";
    match client.query_opt(&format!("{sql} order by c.relname limit 1"), &[]).await? {
        None => Ok(()),
        Some(row) => {
            let table: &str = row.get(0);
            Err(StorageError::Damaged(format!(
                "{table} has no policy 'operator', so it cannot be dumped whole"
            )))
        }
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
