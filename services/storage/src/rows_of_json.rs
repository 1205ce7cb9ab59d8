//! Rows about things (`subject_id`) that are worked out as a whole, written as far as they differ from what is stored.

use serde_json::Value;
use uuid::Uuid;

use crate::{Executor as _, StorageError, Transaction};

/// A table with such rows. They are given as a JSON list of objects, all of which have the columns that are written, and no other fields.
pub(crate) struct RowsOfJson {
    /// The table.
    pub(crate) table: &'static str,
    /// The columns of its primary key.
    pub(crate) key: &'static [&'static str],
}

impl RowsOfJson {
    /// Removes the rows of which a column is one of these values and that are not among the new ones. Gives what each was about.
    pub(crate) async fn remove_others(
        &self,
        tx: &Transaction,
        column: &str,
        organisation_id: Uuid,
        values: &[Uuid],
        rows: &Value,
    ) -> Result<Vec<Uuid>, StorageError> {
        let Self { table, key } = self;
        let key = key.join(", ");
        let sql = format!(
            "delete from {table} where organisation_id = $1 and {column} = any ($2)
             and ({key}) not in (select {key} from jsonb_populate_recordset(null::{table}, $3))
             returning subject_id"
        );
        let removed = tx.rows(&sql, &[&organisation_id, &values, rows]).await?;
        Ok(removed.iter().map(|row| row.get(0)).collect())
    }

    /// Writes rows in their order, those alone that are new or differ. Gives what each of these is about.
    pub(crate) async fn write(&self, tx: &Transaction, rows: &Value) -> Result<Vec<Uuid>, StorageError> {
        let Some(row) = rows.get(0).and_then(Value::as_object) else { return Ok(Vec::new()) };
        let Self { table, key } = self;
        let all: Vec<&str> = row.keys().map(String::as_str).collect();
        let columns: Vec<&str> = all.iter().copied().filter(|column| !key.contains(column)).collect();
        let all = all.join(", ");
        let of =
            |row: &str| columns.iter().map(|column| format!("{row}.{column}")).collect::<Vec<_>>().join(", ");
        let (stored, new) = (of("stored"), of("excluded"));
        let key = key.join(", ");
        let columns = columns.join(", ");
        let sql = format!(
            "insert into {table} as stored ({all}) select {all} from jsonb_populate_recordset(null::{table}, $1)
             on conflict ({key}) do update set ({columns}) = row ({new}) where ({stored}) is distinct from ({new})
             returning subject_id"
        );
        let written = tx.rows(&sql, &[rows]).await?;
        Ok(written.iter().map(|row| row.get(0)).collect())
    }
}
