"""Do other people's programs read the same figures in each form of a report? Python's csv and openpyxl are held against the JSON.

compare.py FOLDER: a folder that `cargo run -p firemode-reports --example sample -- FOLDER` has filled.
"""

import csv
import datetime
import html.parser
import json
import pathlib
import sys
import zoneinfo

import openpyxl
from openpyxl.utils.escape import unescape

# What a spreadsheet would run gets an apostrophe in CSV.
RUNS = ("=", "+", "-", "@", "\t", "\r")
# A workbook's numbers are doubles.
DIGITS = 15


def only(folder, ending):
    (path,) = folder.glob(f"compliance-*.{ending}")
    return path


def instant(text):
    return datetime.datetime.fromisoformat(text)


def as_csv(value):
    if value is None:
        return ""
    if isinstance(value, str):
        return "'" + value if value.startswith(RUNS) else value
    return repr(value)


def as_sheet(value, shown, zone):
    """What a cell has to hold, by the kind that openpyxl has found in it."""
    if isinstance(shown, datetime.datetime) and isinstance(value, str):
        if "T" in value:
            return instant(value).astimezone(zone).replace(tzinfo=None)
        return datetime.datetime.fromisoformat(value if len(value) > 7 else value + "-01")
    if isinstance(value, str) and len(value) == 10 and value < "1900":
        return f"{value} 0:00:00.0"
    return value


def differs(expected, found):
    if isinstance(expected, (int, float)):
        return isinstance(found, bool) or float(f"%.{DIGITS}g" % expected) != float(f"%.{DIGITS}g" % found)
    return expected != found


def compare_csv(folder, report, faults):
    count = 0
    for name, rows in report["tables"].items():
        with open(folder / f"{name}.csv", newline="", encoding="utf-8") as file:
            found = list(csv.DictReader(file, strict=True))
        if len(found) != len(rows):
            faults.append(f"{name}.csv has {len(found)} rows, the JSON {len(rows)}")
        for number, (expected, row) in enumerate(zip(rows, found)):
            whole = {**expected, "as_of": report["as_of"], "generated_at": report["generated_at"]}
            if list(row) != list(whole):
                faults.append(f"{name}.csv has the columns {list(row)}")
            for column, value in whole.items():
                count += 1
                same = float(row[column]) == value if isinstance(value, float) else row[column] == as_csv(value)
                if not same:
                    faults.append(f"{name}.csv, row {number}, {column}: {row[column]!r}, in the JSON {value!r}")
    if (folder / f"{next(iter(report['tables']))}.csv").read_bytes() != only(folder, "csv").read_bytes():
        faults.append("the first table is not the one that CSV holds by default")
    return count


def compare_workbook(folder, report, faults):
    book = openpyxl.load_workbook(only(folder, "xlsx"))
    zone, count = zoneinfo.ZoneInfo(report["time_zone"]), 0
    if book.sheetnames != ["report", *report["tables"]]:
        faults.append(f"the sheets are {book.sheetnames}")
    about = {name: value for name, value in book["report"].iter_rows(min_row=3, max_col=2, values_only=True)}
    for name in ("generated_at", "as_of"):
        if about[name] != instant(report[name]).astimezone(zone).replace(tzinfo=None):
            faults.append(f"the first sheet says {name} {about[name]}")
    for name, value in report["filters"].items():
        if about[name] != value:
            faults.append(f"the first sheet says {name} {about[name]!r}")
    for name, rows in report["tables"].items():
        sheet = book[name]
        if sheet.freeze_panes != "A2":
            faults.append(f"{name}: the head is not frozen")
        lines = list(sheet.iter_rows())
        head = [cell.value for cell in lines[0]]
        if head != list(rows[0]) or len(lines) != len(rows) + 1:
            faults.append(f"{name}: the columns {head} and {len(lines)} lines")
        for number, (expected, line) in enumerate(zip(rows, lines[1:])):
            for (column, value), cell in zip(expected.items(), line):
                count += 1
                if cell.data_type == "f":
                    faults.append(f"{name}, row {number}, {column} is a formula: {cell.value!r}")
                # An empty text is an empty cell to openpyxl, and it leaves control characters as the file writes them.
                wanted = None if value == "" else as_sheet(value, cell.value, zone)
                found = unescape(cell.value) if isinstance(cell.value, str) else cell.value
                if differs(wanted, found):
                    faults.append(f"{name}, row {number}, {column}: {found!r}, in the JSON {value!r}")
                if column.endswith("rate") and value is not None and not cell.number_format.endswith("%"):
                    faults.append(f"{name}, row {number}, {column} is no percentage: {cell.number_format}")
    return count


class Page(html.parser.HTMLParser):
    """The cells of a page's tables, and what must not be in it."""

    def __init__(self):
        super().__init__()
        self.rows, self.tags, self.attributes, self.is_cell = [], set(), set(), False

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)
        if tag == "tr":
            self.rows.append([])
        if tag == "td":
            self.rows[-1].append("")
            self.is_cell = True

    def handle_endtag(self, tag):
        if tag == "td":
            self.is_cell = False

    def handle_data(self, data):
        if self.is_cell:
            self.rows[-1][-1] += data


def as_page(value):
    if value is None:
        return "–"
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\u202f").replace("-", "−")
    return value


def compare_page(folder, report, faults):
    page, count = Page(), 0
    page.feed(only(folder, "html").read_text(encoding="utf-8"))
    outside = {"script", "link", "img", "iframe", "object", "form", "b"} & page.tags | {"href", "src", "style", "onload"} & page.attributes
    if outside:
        faults.append(f"the page has {outside}")
    found = [row for row in page.rows if row]
    expected = [row for rows in report["tables"].values() for row in rows]
    if len(found) != len(expected):
        faults.append(f"the page has {len(found)} rows, the JSON {len(expected)}")
    for wanted, row in zip(expected, found):
        for (column, value), shown in zip(wanted.items(), row):
            count += 1
            # A browser reads a line's end as a space. Times are shown in the report's zone, and shares in percent: those are looked at below.
            if isinstance(value, float):
                same = float(shown.split()[0]) == round(value * 100 if "%" in shown else value, 1) or abs(float(shown.split()[0]) - value * (100 if "%" in shown else 1)) <= 0.0501
            elif column in ("at", "last_result_at") and value:
                local = instant(value).astimezone(zoneinfo.ZoneInfo(report["time_zone"]))
                same = shown == f"{local:%Y-%m-%d %H:%M}"
            else:
                same = shown == as_page(value)
            if not same:
                faults.append(f"the page, {column}: {shown!r}, in the JSON {value!r}")
    return count


def main():
    folder, faults = pathlib.Path(sys.argv[1]), []
    report = json.loads(only(folder, "json").read_text(encoding="utf-8"))
    for name, compare in (("csv", compare_csv), ("xlsx", compare_workbook), ("html", compare_page)):
        count = compare(folder, report, faults)
        print(f"{name:5} {count:4} cells")
        if count == 0:
            faults.append(f"{name}: nothing was compared")
    for fault in faults:
        print(f"FAULT: {fault}")
    sys.exit(1 if faults else 0)


main()
