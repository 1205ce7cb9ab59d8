//! Writes a report in every form into a folder: to look at, and for tests/reports, which reads them with other people's programs.

use std::path::PathBuf;

use firemode_reports::{Cell, Chart, Column, Format, Report, Table};
use time::macros::{date, datetime};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

const GENERATED_AT: OffsetDateTime = datetime!(2026-02-13 03:04:05 UTC);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("name a folder")?);
    let report = report();
    for format in Format::ALL {
        std::fs::write(folder.join(report.file_name(format)), report.render(format, None)?)?;
    }
    for table in &report.tables {
        let file = format!("{}.csv", table.name());
        std::fs::write(folder.join(file), report.render(Format::Csv, Some(table))?)?;
    }
    Ok(())
}

fn report() -> Report {
    Report {
        name: "compliance",
        title: "Compliance",
        generated_at: GENERATED_AT,
        as_of: Some(datetime!(2026-02-12 13:00 UTC)),
        time_zone: "Australia/Sydney".parse().unwrap_or_default(),
        filters: vec![("from", "2025-03-01".to_owned()), ("building_id", "<b>=1+1</b>".to_owned())],
        notes: vec!["3 items are in conflict; they count as failed.".to_owned()],
        tables: vec![buildings(), months(), hostile(), observed()],
    }
}

fn buildings() -> Table {
    let names = [
        "Harbour Tower",
        "Quay Street Car Park and Loading Dock, Levels B1 to B4",
        "St Vincent's Clinic",
        "Depot",
    ];
    let rows = names.into_iter().zip(1..).map(|(name, number): (&str, i64)| {
        let (tested, passed) =
            if number == 4 { (0, 0) } else { (number * 4171, number * 4171 - number * number * 83) };
        let id =
            Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + u128::from(number.unsigned_abs()));
        [
            name.into(),
            id.into(),
            tested.into(),
            (number * 97).into(),
            Cell::share(passed, tested),
            (tested - passed).into(),
            (number != 4).then_some(GENERATED_AT - Duration::days(number)).into(),
        ]
    });
    let columns = [
        Column::new("building", "Building"),
        Column::new("building_id", "Building id"),
        Column::new("tested", "Items tested").drawn(),
        Column::new("untested", "Items untested").drawn(),
        Column::new("pass_rate", "Pass rate").drawn(),
        Column::new("open_defects", "Open defects"),
        Column::new("last_result_at", "Last result"),
    ];
    Table::new("buildings", "Buildings", columns, rows).with_chart(Chart::Bars)
}

fn months() -> Table {
    let mut month = date!(2025 - 03 - 01);
    let rows = (0_i64..12).map(|number| {
        let (tested, failed) = (900 + (number * 37) % 11 * 40, 40 + (number * 53) % 7 * 9);
        let tested = if number == 5 { 0 } else { tested };
        let row = [
            Cell::Month(month),
            tested.into(),
            failed.into(),
            Cell::share(tested - failed, tested),
            if number == 5 { Cell::Empty } else { Cell::Decimal(2.5 + number as f64 / 3.0) },
        ];
        month = (month + Duration::days(31)).replace_day(1).unwrap_or(month);
        row
    });
    let columns = [
        Column::new("month", "Month"),
        Column::new("tested", "Tested").drawn(),
        Column::new("failed", "Failed").drawn(),
        Column::new("pass_rate", "Pass rate").drawn(),
        Column::new("days_to_repair", "Median days to repair"),
    ];
    Table::new("months", "Months", columns, rows).with_chart(Chart::Lines)
}

/// What users may have written.
fn hostile() -> Table {
    let texts = [
        "=HYPERLINK(\"http://example.org\")",
        "+61 2 5550 1234",
        "-1",
        "@SUM(A1)",
        "\tafter a tab",
        "<script>alert(1)</script> & \"quotes\" 'single'",
        "two\nlines, with a comma",
        "Zürich – 東京 – 🔥",
        "",
        "007",
        "a \u{1} control character",
    ];
    let rows = texts.into_iter().zip(1_i64..).map(|(text, number)| [number.into(), text.into()]);
    Table::new("texts", "Texts", [Column::new("number", "Number"), Column::new("text", "Text")], rows)
}

fn observed() -> Table {
    let columns = ["day", "month", "at", "count", "rate"].map(|name| Column::new(name, name));
    let rows = [
        [
            Cell::Day(date!(2026 - 02 - 13)),
            Cell::Month(date!(2026 - 02 - 01)),
            GENERATED_AT.into(),
            (-1_234_567).into(),
            Cell::Ratio(0.1 + 0.2),
        ],
        [Cell::Day(date!(1899 - 12 - 31)), Cell::Empty, Cell::Empty, i64::MAX.into(), Cell::Ratio(f64::NAN)],
    ];
    Table::new("kinds", "Kinds of cells", columns, rows)
}
