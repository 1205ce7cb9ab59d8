//! A report for programs.

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use crate::cell::instant;
use crate::{Cell, Column, Report, Table};

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("report", self.name)?;
        map.serialize_entry("title", self.title)?;
        map.serialize_entry("generated_at", &instant(self.generated_at))?;
        map.serialize_entry("as_of", &self.as_of.map(instant))?;
        map.serialize_entry("time_zone", &self.time_zone)?;
        map.serialize_entry("filters", &Members(|| self.filters.iter().map(|(name, value)| (*name, value))))?;
        map.serialize_entry("notes", &self.notes)?;
        map.serialize_entry("tables", &Members(|| self.tables.iter().map(|table| (table.name(), table))))?;
        map.end()
    }
}

impl Serialize for Table {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.rows().iter().map(|cells| Row { columns: self.columns(), cells }))
    }
}

/// A row, by the names of its columns.
struct Row<'a> {
    columns: &'a [Column],
    cells: &'a [Cell],
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.columns.iter().map(|column| column.name).zip(self.cells))
    }
}

/// The members of an object, in their order.
struct Members<F>(F);

impl<F, I, V> Serialize for Members<F>
where
    F: Fn() -> I,
    I: Iterator<Item = (&'static str, V)>,
    V: Serialize,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0())
    }
}
