//! What a report consists of.

use firemode_domain::place::TimeZone;
use time::OffsetDateTime;

use crate::Cell;

/// A report: tables of figures, and what one must know to read them.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Its name in addresses and names of files, such as `compliance`.
    pub name: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// When the figures were read.
    pub generated_at: OffsetDateTime,
    /// The figures are those that were known then; without it, those that were known when they were read.
    pub as_of: Option<OffsetDateTime>,
    /// Whose days and months these are, and where times are shown.
    pub time_zone: TimeZone,
    /// What it was asked for, in the order in which it is shown: the parameter's name and its value.
    pub filters: Vec<(&'static str, String)>,
    /// What a reader has to know, such as that nothing lies in the range.
    pub notes: Vec<String>,
    /// The figures. The first table is the one that CSV holds where none is named.
    pub tables: Vec<Table>,
}

impl Report {
    /// The table of this name.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.name == name)
    }
}

/// A table of a report. Each row has a cell for each column.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    name: &'static str,
    title: &'static str,
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
    chart: Option<Chart>,
}

impl Table {
    /// A table with these columns and rows; the compiler counts the cells.
    pub fn new<const COLUMNS: usize>(
        name: &'static str,
        title: &'static str,
        columns: [Column; COLUMNS],
        rows: impl IntoIterator<Item = [Cell; COLUMNS]>,
    ) -> Self {
        let rows = rows.into_iter().map(|row| row.into_iter().map(Cell::shown).collect()).collect();
        Self { name, title, columns: columns.into(), rows, chart: None }
    }

    /// The same, drawn too: its columns that are [`Column::drawn`], over the first one.
    #[must_use]
    pub fn with_chart(mut self, chart: Chart) -> Self {
        self.chart = Some(chart);
        self
    }

    /// Its name in JSON and in `table=`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its name for people.
    pub fn title(&self) -> &'static str {
        self.title
    }

    /// Its columns, from the left.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Its rows, from the top.
    pub fn rows(&self) -> &[Vec<Cell>] {
        &self.rows
    }

    /// How it is drawn, if it is.
    pub fn chart(&self) -> Option<Chart> {
        self.chart
    }
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name for programs.
    pub name: &'static str,
    /// Its name for people, with the unit where one is needed.
    pub title: &'static str,
    pub(crate) is_drawn: bool,
}

impl Column {
    /// A column.
    pub fn new(name: &'static str, title: &'static str) -> Self {
        Self { name, title, is_drawn: false }
    }

    /// The same, shown by the table's chart.
    #[must_use]
    pub fn drawn(self) -> Self {
        Self { is_drawn: true, ..self }
    }
}

/// How a table is drawn. Shares and counts have a picture each, since they have no scale in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chart {
    /// A bar for each row, to compare rows.
    Bars,
    /// A line through the rows, which follow each other in time.
    Lines,
}
