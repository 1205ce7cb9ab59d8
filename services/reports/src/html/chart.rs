//! Pictures of a table, from the same figures: black on white, told apart by pattern and shape, so that they can be printed.

use std::fmt::Write as _;

use super::escape::Escaped;
use super::{add as put, shown};
use crate::{Cell, Chart, Column, Report, Table};

const WIDTH: f64 = 460.0;
/// More bars than that say less than the table.
const BARS_MAX: usize = 30;
const BAR_HEIGHT: f64 = 14.0;
const LINES_HEIGHT: f64 = 190.0;
/// What a label before a bar may take, and the letters that fit there.
const LABEL_WIDTH: f64 = 150.0;
const LABEL_CHARACTERS: usize = 18;
/// What a value behind a bar may take.
const VALUE_WIDTH: f64 = 60.0;
const LABELS_BELOW_MAX: usize = 6;
const TICKS: u8 = 4;
const LINE_OF_TEXT: f64 = 20.0;

/// The filling of bars, and the dashes of lines, of the first series and those after it.
const FILLS: [&str; 4] = ["#1f3550", "#b4bfcb", "#ffffff", "#6f8196"];
const DASHES: [&str; 4] = ["none", "7 4", "2 3", "10 3 2 3"];

/// A column that is drawn: its place in the rows.
type Series<'a> = (usize, &'a Column);

/// Adds the pictures of a table that has a chart: counts and shares apart, since they have no scale in common.
pub(super) fn add(page: &mut String, report: &Report, table: &Table) {
    let Some(chart) = table.chart() else { return };
    let drawn = table.columns().iter().enumerate().filter(|(_, column)| column.is_drawn);
    let (shares, counts): (Vec<Series<'_>>, Vec<Series<'_>>) = drawn.partition(|(place, _)| {
        table.rows().iter().any(|row| matches!(row.get(*place), Some(Cell::Ratio(_))))
    });
    page.push_str("<div class=\"charts\">\n");
    for series in [counts, shares].iter().filter(|series| !series.is_empty()) {
        match chart {
            Chart::Bars => Picture::new(report, table, series).bars(page),
            Chart::Lines => Picture::new(report, table, series).lines(page),
        }
    }
    page.push_str("</div>\n");
}

struct Picture<'a> {
    report: &'a Report,
    table: &'a Table,
    series: &'a [Series<'a>],
    /// The end of the scale.
    end: f64,
}

impl<'a> Picture<'a> {
    fn new(report: &'a Report, table: &'a Table, series: &'a [Series<'a>]) -> Self {
        let values =
            table.rows().iter().flat_map(|row| series.iter().filter_map(|(place, _)| value(row, *place)));
        let (mut largest, mut is_share) = (0.0_f64, false);
        for (number, share) in values {
            largest = largest.max(number);
            is_share |= share;
        }
        let end = if is_share && largest <= 1.0 { 1.0 } else { round_end(largest) };
        Self { report, table, series, end }
    }

    fn bars(&self, page: &mut String) {
        let rows = &self.table.rows()[..self.table.rows().len().min(BARS_MAX)];
        let top = self.legend_height();
        let group = BAR_HEIGHT * count(self.series.len()) + 8.0;
        let bottom = top + group * count(rows.len());
        self.open(page, bottom + LINE_OF_TEXT + 4.0);
        self.legend(page, |page, y, place| swatch(page, y, FILLS[place % FILLS.len()]));
        let scale = |number: f64| LABEL_WIDTH + number / self.end * (WIDTH - LABEL_WIDTH - VALUE_WIDTH);
        for (number, label) in self.ticks() {
            let x = scale(number);
            put(page, format_args!("<path d=\"M{x:.1} {top:.1}V{bottom:.1}\" stroke=\"#d5dae0\"/>"));
            let y = bottom + 16.0;
            put(
                page,
                format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{label}</text>\n"),
            );
        }
        for (row, place) in rows.iter().zip(0_u16..) {
            let y = top + group * f64::from(place) + 4.0;
            let middle = y + BAR_HEIGHT * count(self.series.len()) / 2.0 + 4.5;
            let x = LABEL_WIDTH - 8.0;
            put(
                page,
                format_args!(
                    "<text x=\"{x}\" y=\"{middle:.1}\" text-anchor=\"end\">{}</text>",
                    self.label(row)
                ),
            );
            for ((series, number), nth) in self.series.iter().zip(0_u16..).zip(0..) {
                let Some((value, _)) = value(row, series.0) else { continue };
                let y = y + BAR_HEIGHT * f64::from(number);
                let end = scale(value.max(0.0));
                let (width, height) = (end - LABEL_WIDTH, BAR_HEIGHT - 2.0);
                let fill = FILLS[nth % FILLS.len()];
                put(
                    page,
                    format_args!(
                        "<rect x=\"{LABEL_WIDTH}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height}\" fill=\"{fill}\" stroke=\"#1f3550\"/>"
                    ),
                );
                let (x, y) = (end + 5.0, y + 10.5);
                let shown = shown(&row[series.0], self.report);
                put(
                    page,
                    format_args!(
                        "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"12\">{}</text>\n",
                        Escaped(&shown)
                    ),
                );
            }
        }
        put(page, format_args!("<path d=\"M{LABEL_WIDTH} {top:.1}V{bottom:.1}\" stroke=\"#1c232b\"/>"));
        self.close(page, BARS_MAX);
    }

    fn lines(&self, page: &mut String) {
        let rows = self.table.rows();
        let (left, right) = (54.0, WIDTH - 16.0);
        let top = self.legend_height() + 8.0;
        let bottom = top + LINES_HEIGHT;
        self.open(page, bottom + LINE_OF_TEXT + 4.0);
        self.legend(page, |page, y, place| {
            let y = y - 4.0;
            let dash = DASHES[place % DASHES.len()];
            put(page, format_args!("<path d=\"M0 {y:.1}H26\" stroke=\"#1f3550\" stroke-width=\"2\" stroke-dasharray=\"{dash}\"/>"));
            mark(page, 13.0, y, place);
        });
        let y_of = |number: f64| bottom - number / self.end * LINES_HEIGHT;
        let step = (right - left) / count(rows.len().saturating_sub(1)).max(1.0);
        for (number, label) in self.ticks() {
            let y = y_of(number);
            put(page, format_args!("<path d=\"M{left} {y:.1}H{right}\" stroke=\"#d5dae0\"/>"));
            let (x, y) = (left - 8.0, y + 4.5);
            put(page, format_args!("<text x=\"{x}\" y=\"{y:.1}\" text-anchor=\"end\">{label}</text>\n"));
        }
        let every = rows.len().div_ceil(LABELS_BELOW_MAX).max(1);
        for (place, row) in rows.iter().enumerate().step_by(every) {
            // The last one would stand out of the picture.
            let is_last = place > 0 && place + 1 == rows.len();
            let (x, anchor) = if is_last { (WIDTH, "end") } else { (left + step * count(place), "middle") };
            let (y, label) = (bottom + 18.0, self.label(row));
            put(
                page,
                format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{label}</text>\n"),
            );
        }
        for ((column, _), place) in self.series.iter().zip(0..) {
            let (mut line, mut is_begun) = (String::new(), false);
            let mut marks = String::new();
            for (row, number) in rows.iter().enumerate() {
                // Where there is no figure the line has a gap.
                let Some((value, _)) = value(number, *column) else {
                    is_begun = false;
                    continue;
                };
                let (x, y) = (left + step * count(row), y_of(value.max(0.0)));
                let _ = write!(line, "{}{x:.1} {y:.1}", if is_begun { 'L' } else { 'M' });
                is_begun = true;
                mark(&mut marks, x, y, place);
            }
            let dash = DASHES[place % DASHES.len()];
            put(
                page,
                format_args!(
                    "<path d=\"{line}\" fill=\"none\" stroke=\"#1f3550\" stroke-width=\"2\" stroke-dasharray=\"{dash}\"/>{marks}\n"
                ),
            );
        }
        put(
            page,
            format_args!(
                "<path d=\"M{left} {top:.1}V{bottom:.1}H{right}\" stroke=\"#1c232b\" fill=\"none\"/>"
            ),
        );
        self.close(page, rows.len());
    }

    fn open(&self, page: &mut String, height: f64) {
        let names: Vec<&str> = self.series.iter().map(|(_, column)| column.title).collect();
        let (title, names) = (Escaped(self.table.title()), names.join(", "));
        put(
            page,
            format_args!(
                "<figure><svg viewBox=\"0 0 {WIDTH} {height:.1}\" role=\"img\" aria-label=\"{title}: {}\" fill=\"#1c232b\">\n",
                Escaped(&names)
            ),
        );
    }

    fn close(&self, page: &mut String, drawn: usize) {
        page.push_str("</svg>");
        let rows = self.table.rows().len();
        if rows > drawn {
            put(page, format_args!("<figcaption>The first {drawn} of {rows} rows are drawn.</figcaption>"));
        }
        page.push_str("</figure>\n");
    }

    fn legend_height(&self) -> f64 {
        LINE_OF_TEXT * count(self.series.len()) + 4.0
    }

    /// Says what each series is.
    fn legend(&self, page: &mut String, sign: impl Fn(&mut String, f64, usize)) {
        for ((_, column), place) in self.series.iter().zip(0..) {
            let y = LINE_OF_TEXT * count(place) + 14.0;
            sign(page, y, place);
            put(page, format_args!("<text x=\"34\" y=\"{y:.1}\">{}</text>\n", Escaped(column.title)));
        }
    }

    /// The first cell of a row, cut where it would run into the picture; the whole of it shows under the pointer.
    fn label(&self, row: &[Cell]) -> String {
        let text = row.first().map(|cell| shown(cell, self.report)).unwrap_or_default();
        let whole = Escaped(&text);
        if text.chars().count() <= LABEL_CHARACTERS {
            return whole.to_string();
        }
        let cut: String = text.chars().take(LABEL_CHARACTERS - 1).collect();
        format!("<title>{whole}</title>{}…", Escaped(cut.trim_end()))
    }

    /// Where the scale has a line, and what stands there.
    fn ticks(&self) -> impl Iterator<Item = (f64, String)> {
        let is_share = self.is_share();
        (0..=TICKS).map(move |tick| {
            let number = self.end * f64::from(tick) / f64::from(TICKS);
            let label = if is_share { format!("{:.0} %", number * 100.0) } else { short(number, self.end) };
            (number, label)
        })
    }

    fn is_share(&self) -> bool {
        let mut rows = self.table.rows().iter();
        rows.any(|row| {
            self.series.iter().any(|(place, _)| value(row, *place).is_some_and(|(_, share)| share))
        })
    }
}

/// The number of a cell, and whether it is a share.
#[expect(clippy::cast_precision_loss, reason = "a picture is not that exact")]
fn value(row: &[Cell], place: usize) -> Option<(f64, bool)> {
    match row.get(place)? {
        Cell::Integer(number) => Some((*number as f64, false)),
        Cell::Decimal(number) => Some((*number, false)),
        Cell::Ratio(number) => Some((*number, true)),
        _ => None,
    }
}

/// The smallest round number that is not smaller and that the lines of the scale divide without a rest: 4, 8, 12, 20, 40 and so on.
fn round_end(largest: f64) -> f64 {
    let mut unit = 1.0;
    loop {
        let fitting = [4.0, 8.0, 12.0, 20.0].map(|end| end * unit).into_iter().find(|end| *end >= largest);
        if let Some(end) = fitting {
            return end;
        }
        unit *= 10.0;
    }
}

/// A number of the scale, in thousands or millions where the scale ends there.
fn short(number: f64, end: f64) -> String {
    match end {
        _ if number == 0.0 => "0".to_owned(),
        end if end >= 1e7 => format!("{}M", number / 1e6),
        end if end >= 1e4 => format!("{}k", number / 1e3),
        _ => number.to_string(),
    }
}

/// Sizes of what a picture holds.
#[expect(clippy::cast_precision_loss, reason = "a picture is not that exact")]
fn count(number: usize) -> f64 {
    number as f64
}

fn swatch(page: &mut String, y: f64, fill: &str) {
    let y = y - 10.5;
    put(
        page,
        format_args!(
            "<rect x=\"0.5\" y=\"{y:.1}\" width=\"25\" height=\"12\" fill=\"{fill}\" stroke=\"#1f3550\"/>"
        ),
    );
}

/// A sign at a point of a line, by which lines are told apart without colours.
fn mark(page: &mut String, x: f64, y: f64, place: usize) {
    let look = "stroke=\"#1f3550\" stroke-width=\"1.5\"";
    match place % 3 {
        0 => put(page, format_args!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"#1f3550\" {look}/>")),
        1 => {
            let (x, y) = (x - 3.0, y - 3.0);
            put(
                page,
                format_args!(
                    "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"6\" height=\"6\" fill=\"#fff\" {look}/>"
                ),
            );
        }
        _ => put(page, format_args!("<path d=\"M{x:.1} {:.1}l4 7h-8z\" fill=\"#fff\" {look}/>", y - 4.0)),
    }
}
