//! A page to read and to print. It runs nothing and loads nothing: styles and pictures are part of it.

mod chart;
mod escape;

use std::fmt::Write as _;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use time::PrimitiveDateTime;
use time::macros::format_description;

use crate::{Cell, Report, Table};
use escape::Escaped;

const STYLE: &str = include_str!("style.css");

/// A table of more columns becomes a list where a screen is narrow.
const COLUMNS_OF_A_NARROW_SCREEN: usize = 3;

/// Styles are those of the page alone, found by their hash.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"
    )
});

/// The `Content-Security-Policy` that the page is sent with: it may show itself and nothing else.
pub fn content_security_policy() -> &'static str {
    &POLICY
}

pub(crate) fn write(report: &Report) -> String {
    let mut page = String::new();
    let title = Escaped(report.title);
    add(
        &mut page,
        format_args!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title}, {}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>\n",
            shown_time(report.time_zone.local(report.as_of.unwrap_or(report.generated_at)))
        ),
    );
    add_facts(&mut page, report);
    page.push_str("</header>\n<main>\n");
    for table in &report.tables {
        add_table(&mut page, report, table);
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

/// Writing into memory does not fail.
fn add(page: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = page.write_fmt(text);
}

/// What one must know to read the figures.
fn add_facts(page: &mut String, report: &Report) {
    let time = |at| shown_time(report.time_zone.local(at));
    let generated = time(report.generated_at);
    let known = report.as_of.map_or_else(|| generated.clone(), time);
    let facts = [("As known at", known), ("Read at", generated), ("Times of", report.time_zone.to_string())];
    page.push_str("<dl>\n");
    let filters = report.filters.iter().map(|(name, value)| (*name, value.clone()));
    for (name, value) in facts.into_iter().chain(filters) {
        let (name, value) = (Escaped(name), Escaped(&value));
        add(page, format_args!("<div><dt>{name}</dt><dd>{value}</dd></div>\n"));
    }
    page.push_str("</dl>\n");
    for note in &report.notes {
        add(page, format_args!("<p class=\"note\">{}</p>\n", Escaped(note)));
    }
}

fn add_table(page: &mut String, report: &Report, table: &Table) {
    add(page, format_args!("<section>\n<h2>{}</h2>\n", Escaped(table.title())));
    if table.rows().is_empty() {
        page.push_str("<p>There is nothing.</p>\n</section>\n");
        return;
    }
    chart::add(page, report, table);
    let numbers: Vec<bool> = (0..table.columns().len()).map(|column| is_of_numbers(table, column)).collect();
    let class = if table.columns().len() > COLUMNS_OF_A_NARROW_SCREEN { " class=\"wide\"" } else { "" };
    add(page, format_args!("<table{class}>\n<thead><tr>"));
    for (column, is_number) in table.columns().iter().zip(&numbers) {
        add(page, format_args!("<th scope=\"col\"{}>{}</th>", class_of(*is_number), Escaped(column.title)));
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    for row in table.rows() {
        page.push_str("<tr>");
        for ((cell, column), is_number) in row.iter().zip(table.columns()).zip(&numbers) {
            let class = match cell {
                Cell::Id(_) => " class=\"id\"",
                Cell::Day(_) | Cell::Month(_) | Cell::Instant(_) => " class=\"time\"",
                _ => class_of(*is_number),
            };
            let (title, value) = (Escaped(column.title), shown(cell, report));
            add(
                page,
                format_args!("<td data-title=\"{title}\"{class}><span>{}</span></td>", Escaped(&value)),
            );
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody>\n</table>\n</section>\n");
}

/// Numbers stand under each other at the right.
fn is_of_numbers(table: &Table, column: usize) -> bool {
    let mut cells = table.rows().iter().filter_map(|row| row.get(column));
    cells.find(|cell| **cell != Cell::Empty).is_some_and(Cell::is_number)
}

fn class_of(is_number: bool) -> &'static str {
    if is_number { " class=\"number\"" } else { "" }
}

/// A cell as people read it.
pub(crate) fn shown(cell: &Cell, report: &Report) -> String {
    match cell {
        Cell::Empty => "–".to_owned(),
        Cell::Integer(number) => grouped(*number),
        Cell::Decimal(number) => format!("{number:.1}"),
        Cell::Ratio(number) => format!("{:.1} %", number * 100.0),
        Cell::Instant(at) => shown_time(report.time_zone.local(*at)),
        Cell::Text(_) | Cell::Id(_) | Cell::Day(_) | Cell::Month(_) => cell.plain(),
    }
}

fn shown_time(at: PrimitiveDateTime) -> String {
    at.format(format_description!("[year]-[month]-[day] [hour]:[minute]")).unwrap_or_default()
}

/// Thousands apart, by a space at which no line ends.
fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = if number < 0 { "−".to_owned() } else { String::new() };
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}
