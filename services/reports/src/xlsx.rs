//! A workbook: a sheet that says what the report is, and a sheet for each table.
//!
//! The tables begin in the first row, so that they can be filtered and read by programs at once. What is printed of them names the
//! report and the time in its footer.

use rust_xlsxwriter::{
    DocProperties, ExcelDateTime, Format, FormatAlign, FormatBorder, Workbook, Worksheet, XlsxError,
};
use time::{Date, PrimitiveDateTime, Time};

use crate::cell::instant;
use crate::{Cell, Report, Table};

/// More characters than that do not fit into a cell.
const CHARACTERS_MAX: usize = 32_767;
/// A column is so wide at most, in characters; what is longer runs on below itself.
const WIDTH_MAX: usize = 48;
const WIDTH_MIN: usize = 8;
const ABOUT: &str = "report";

/// How cells look.
struct Looks {
    head: Format,
    name: Format,
    title: Format,
    text: Format,
    integer: Format,
    decimal: Format,
    share: Format,
    day: Format,
    month: Format,
    time: Format,
}

impl Looks {
    fn new() -> Self {
        let plain = || Format::new().set_align(FormatAlign::Top);
        Self {
            head: plain().set_bold().set_text_wrap().set_border_bottom(FormatBorder::Medium),
            name: plain().set_bold(),
            title: plain().set_bold().set_font_size(16),
            text: plain().set_text_wrap(),
            integer: plain().set_num_format("#,##0"),
            decimal: plain().set_num_format("#,##0.0"),
            share: plain().set_num_format("0.0%"),
            day: plain().set_num_format("yyyy-mm-dd").set_align(FormatAlign::Left),
            month: plain().set_num_format("yyyy-mm").set_align(FormatAlign::Left),
            time: plain().set_num_format("yyyy-mm-dd hh:mm:ss").set_align(FormatAlign::Left),
        }
    }
}

pub(crate) fn write(report: &Report) -> Result<Vec<u8>, XlsxError> {
    let looks = Looks::new();
    let mut book = Workbook::new();
    let mut properties = DocProperties::new().set_title(report.title);
    if let Some(created) = moment(report.time_zone.local(report.generated_at)) {
        properties = properties.set_creation_datetime(&created);
    }
    book.set_properties(&properties);
    about(book.add_worksheet(), report, &looks)?;
    for table in &report.tables {
        fill(book.add_worksheet(), report, table, &looks)?;
    }
    book.save_to_buffer()
}

/// What one must know to read the figures.
fn about(sheet: &mut Worksheet, report: &Report, looks: &Looks) -> Result<(), XlsxError> {
    sheet.set_name(ABOUT)?;
    sheet.set_column_width(0, 24)?.set_column_width(1, 72)?;
    sheet.write_string_with_format(0, 0, report.title, &looks.title)?;
    let zone = Cell::Text(report.time_zone.to_string());
    let known = report.as_of.map_or_else(|| Cell::from("now"), Cell::Instant);
    let mut facts =
        vec![("generated_at", Cell::Instant(report.generated_at)), ("as_of", known), ("time_zone", zone)];
    facts.extend(report.filters.iter().map(|(name, value)| (*name, Cell::from(value.clone()))));
    facts.extend(report.notes.iter().map(|note| ("note", Cell::from(note.clone()))));
    for (row, (name, value)) in (2..).zip(facts) {
        sheet.write_string_with_format(row, 0, name, &looks.name)?;
        put(sheet, row, 1, &value, report, looks)?;
    }
    sheet.set_landscape().set_print_fit_to_pages(1, 0);
    Ok(())
}

fn fill(sheet: &mut Worksheet, report: &Report, table: &Table, looks: &Looks) -> Result<(), XlsxError> {
    sheet.set_name(table.name())?;
    for (column, place) in table.columns().iter().zip(0..) {
        sheet.write_string_with_format(0, place, column.name, &looks.head)?;
    }
    let mut widths: Vec<usize> = table.columns().iter().map(|column| column.name.len() + 3).collect();
    let mut end = 0;
    for (cells, row) in table.rows().iter().zip(1..) {
        for ((cell, place), width) in cells.iter().zip(0..).zip(&mut widths) {
            put(sheet, row, place, cell, report, looks)?;
            *width = (*width).max(shown_width(cell));
        }
        end = row;
    }
    for (width, place) in widths.into_iter().zip(0..) {
        sheet
            .set_column_width(place, u32::try_from(width.clamp(WIDTH_MIN, WIDTH_MAX)).unwrap_or_default())?;
    }
    if let Ok(last) = u16::try_from(table.columns().len().saturating_sub(1)) {
        sheet.autofilter(0, 0, end, last)?;
    }
    sheet.set_freeze_panes(1, 0)?.set_repeat_rows(0, 0)?;
    sheet.set_landscape().set_paper_size(9).set_print_fit_to_pages(1, 0);
    sheet.set_footer(format!("&L{}, {}&R&P / &N", report.title, instant(report.generated_at)));
    Ok(())
}

/// Text is written as text, whatever it looks like, so nothing of it is ever run.
fn put(
    sheet: &mut Worksheet,
    row: u32,
    column: u16,
    cell: &Cell,
    report: &Report,
    looks: &Looks,
) -> Result<(), XlsxError> {
    #[expect(clippy::cast_precision_loss, reason = "a workbook has no other numbers")]
    let (number, look) = match cell {
        Cell::Empty => return Ok(()),
        Cell::Text(text) => {
            let text: String = text.chars().take(CHARACTERS_MAX).collect();
            sheet.write_string_with_format(row, column, text, &looks.text)?;
            return Ok(());
        }
        Cell::Id(id) => {
            sheet.write_string_with_format(row, column, id.to_string(), &looks.text)?;
            return Ok(());
        }
        Cell::Day(at) => return put_time(sheet, row, column, at.midnight(), &looks.day),
        Cell::Month(at) => return put_time(sheet, row, column, first_of_month(*at), &looks.month),
        Cell::Instant(at) => return put_time(sheet, row, column, report.time_zone.local(*at), &looks.time),
        Cell::Integer(number) => (*number as f64, &looks.integer),
        Cell::Decimal(number) => (*number, &looks.decimal),
        Cell::Ratio(number) => (*number, &looks.share),
    };
    sheet.write_number_with_format(row, column, number, look)?;
    Ok(())
}

fn first_of_month(day: Date) -> PrimitiveDateTime {
    day.replace_day(1).unwrap_or(day).midnight()
}

/// A workbook knows no time before 1900: that is written as text.
fn put_time(
    sheet: &mut Worksheet,
    row: u32,
    column: u16,
    at: PrimitiveDateTime,
    look: &Format,
) -> Result<(), XlsxError> {
    match moment(at) {
        Some(time) => sheet.write_datetime_with_format(row, column, &time, look)?,
        None => sheet.write_string(row, column, at.to_string())?,
    };
    Ok(())
}

fn moment(at: PrimitiveDateTime) -> Option<ExcelDateTime> {
    let year = u16::try_from(at.year()).ok().filter(|year| *year >= 1900)?;
    let (hour, minute, second) = at.time().as_hms();
    let day = ExcelDateTime::from_ymd(year, at.month().into(), at.day()).ok()?;
    if at.time() == Time::MIDNIGHT { Some(day) } else { day.and_hms(hour.into(), minute, second).ok() }
}

fn shown_width(cell: &Cell) -> usize {
    match cell {
        Cell::Empty => 0,
        Cell::Ratio(_) | Cell::Day(_) | Cell::Month(_) => 12,
        Cell::Instant(_) => 20,
        Cell::Decimal(number) => format!("{number:.1}").len() + 2,
        Cell::Text(text) => text.chars().count() + 1,
        Cell::Id(_) | Cell::Integer(_) => cell.plain().len() + 2,
    }
}
