//! A table for programs that calculate: RFC 4180, in UTF-8.

use std::borrow::Cow;

use crate::cell::instant;
use crate::{Cell, Report, Table};

/// What a spreadsheet takes for the beginning of a formula, or drops in front of one. The wide ones are what people type in Japanese.
const RUNS: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];

/// The text as a spreadsheet shows it and never runs it: in front of what may be a formula stands an apostrophe.
pub fn harmless(text: &str) -> Cow<'_, str> {
    if text.starts_with(RUNS) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// Adds a field to a line, with quotes where it needs them.
pub fn add_field(line: &mut String, field: &str) {
    if !field.contains(['"', ',', '\r', '\n']) {
        line.push_str(field);
        return;
    }
    line.push('"');
    line.push_str(&field.replace('"', "\"\""));
    line.push('"');
}

/// The table, with a head of names. Each row ends with when the figures were known and read.
pub(crate) fn write(report: &Report, table: &Table) -> String {
    let known = report.as_of.map(instant).unwrap_or_default();
    let read = instant(report.generated_at);
    let mut text = String::new();
    let names = table.columns().iter().map(|column| column.name.into());
    add_line(&mut text, names.chain(["as_of".into(), "generated_at".into()]));
    for row in table.rows() {
        let ends = [Cow::Borrowed(known.as_str()), Cow::Borrowed(read.as_str())];
        add_line(&mut text, row.iter().map(field).chain(ends));
    }
    text
}

fn field(cell: &Cell) -> Cow<'_, str> {
    match cell {
        Cell::Text(text) => harmless(text),
        other => Cow::Owned(other.plain()),
    }
}

fn add_line<'a>(text: &mut String, fields: impl Iterator<Item = Cow<'a, str>>) {
    for (place, field) in fields.enumerate() {
        if place > 0 {
            text.push(',');
        }
        add_field(text, &field);
    }
    text.push_str("\r\n");
}
