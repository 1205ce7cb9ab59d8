//! Reports, and how they are shown: JSON, CSV, XLSX and a page to print, all of the same figures.
//!
//! Everything here is a pure function of its arguments: who makes a [`Report`] reads the database.

#![warn(missing_docs)]

mod cell;
mod csv;
mod format;
mod html;
mod json;
mod report;
mod xlsx;

pub use cell::Cell;
pub use csv::{add_field, harmless};
pub use format::Format;
pub use html::content_security_policy;
pub use report::{Chart, Column, Report, Table};

/// A report could not be written as a workbook: a defect of the program, such as a table whose name no sheet can have.
#[derive(Debug, thiserror::Error)]
#[error("a report cannot be written: {0}")]
pub struct CannotBeWritten(String);

impl Report {
    /// The bytes of a file in this form. CSV holds one table, this or the first; the others hold all of them.
    pub fn render(&self, format: Format, table: Option<&Table>) -> Result<Vec<u8>, CannotBeWritten> {
        match format {
            Format::Json => serde_json::to_vec(self).map_err(|error| CannotBeWritten(error.to_string())),
            Format::Csv => {
                let table = table.or(self.tables.first());
                Ok(table.map(|table| csv::write(self, table)).unwrap_or_default().into_bytes())
            }
            Format::Xlsx => xlsx::write(self).map_err(|error| CannotBeWritten(error.to_string())),
            Format::Html => Ok(html::write(self).into_bytes()),
        }
    }

    /// What a file with this report is called, such as `compliance-2026-02-13.xlsx`: by the day of its figures where it is about.
    pub fn file_name(&self, format: Format) -> String {
        format.file_name(self.name, self.time_zone.day(self.as_of.unwrap_or(self.generated_at)))
    }
}
