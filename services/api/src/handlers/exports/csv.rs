//! Lines of CSV.

use firemode_reports::{add_field, harmless};
use serde_json::Value;

/// A value as a cell: text that no spreadsheet runs, nothing for null, and lists and objects as JSON.
pub(super) fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => harmless(text).into_owned(),
        value => value.to_string(),
    }
}

/// Writes a line.
pub(super) fn write_line(out: &mut Vec<u8>, cells: impl Iterator<Item = String>) {
    let mut line = String::new();
    for (index, cell) in cells.enumerate() {
        if index > 0 {
            line.push(',');
        }
        add_field(&mut line, &cell);
    }
    line.push_str("\r\n");
    out.extend_from_slice(line.as_bytes());
}
