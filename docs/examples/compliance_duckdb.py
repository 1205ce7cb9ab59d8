"""A compliance summary out of FireMode's feeds, with DuckDB. Prints it as JSON."""

import json
import os
import shutil
import tempfile
import urllib.request

import duckdb

BASE_URL = os.environ["FIREMODE_BASE_URL"]
TOKEN = os.environ["FIREMODE_TOKEN"]

# The columns that are asked for. The last line of a feed has the last of them alone, and says that the feed is whole.
COLUMNS = {
    "items": "{session_id: 'VARCHAR', item_id: 'VARCHAR', section: 'INTEGER', outcome: 'VARCHAR', is_removed: 'BOOLEAN', next_since: 'VARCHAR'}",
    "defects": "{id: 'VARCHAR', classification: 'VARCHAR', status: 'VARCHAR', is_removed: 'BOOLEAN', next_since: 'VARCHAR'}",
}


def load(database, kind, folder):
    """Streams a feed into a file, and makes a view of its rows."""
    request = urllib.request.Request(
        f"{BASE_URL}/v1/exports/{kind}", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    path = os.path.join(folder, f"{kind}.ndjson")
    with urllib.request.urlopen(request) as answer, open(path, "wb") as file:
        shutil.copyfileobj(answer, file)
    database.execute(
        f"create table {kind}_lines as from read_json(?, format = 'newline_delimited', columns = {COLUMNS[kind]})", [path]
    )
    if database.execute(f"select count(next_since) from {kind}_lines").fetchone() != (1,):
        raise RuntimeError(f"the feed of {kind} broke off")
    database.execute(f"create view {kind} as from {kind}_lines where is_removed = false")


with tempfile.TemporaryDirectory() as folder:
    database = duckdb.connect()
    for kind in COLUMNS:
        load(database, kind, folder)
    tested = "from items where outcome in ('pass', 'fail')"
    count = database.execute(f"select count(*) {tested}").fetchone()[0]
    rates = database.execute(
        f"select coalesce(section::varchar, 'none'), avg((outcome = 'pass')::int) {tested} group by all"
    ).fetchall()
    classes = database.execute(
        "select classification, count(*) from defects where status not in ('closed', 'withdrawn') group by all"
    ).fetchall()

summary = {
    "items_tested": count,
    "pass_rate_by_section": {section: round(rate, 4) for section, rate in rates},
    "open_defects_by_class": dict(classes),
}
print(json.dumps(summary, sort_keys=True))
