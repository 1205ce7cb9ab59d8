"""A compliance summary out of FireMode's feeds, with DuckDB. Prints it as JSON."""

import json
import os
import shutil
import tempfile
import urllib.request

import duckdb

BASE_URL = os.environ["FIREMODE_BASE_URL"]
TOKEN = os.environ["FIREMODE_TOKEN"]


def fetch(kind, folder):
    """Streams an export into a file; an answer that breaks off raises an error."""
    request = urllib.request.Request(
        f"{BASE_URL}/v1/exports/{kind}", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    path = os.path.join(folder, kind)
    with urllib.request.urlopen(request) as answer, open(path, "wb") as file:
        shutil.copyfileobj(answer, file)
    return path


# The columns that are asked for. The last line of a feed has none of them, but says that the feed is whole.
RESULTS = """{hash: 'VARCHAR', session_id: 'VARCHAR', actor: 'VARCHAR', seq: 'BIGINT', received_at: 'TIMESTAMPTZ', standing: 'VARCHAR',
              touched: 'STRUCT(path VARCHAR, value JSON)[]', next_since: 'VARCHAR'}"""
OBSERVATIONS = """{id: 'VARCHAR', session_id: 'VARCHAR', item_id: 'VARCHAR', in_conflict: 'BOOLEAN', is_removed: 'BOOLEAN',
                   next_since: 'VARCHAR'}"""
DEFECTS = "{id: 'VARCHAR', classification: 'VARCHAR', status: 'VARCHAR', is_removed: 'BOOLEAN', next_since: 'VARCHAR'}"
ASSETS = "{id: 'VARCHAR', section: 'INTEGER'}"

ITEMS = """
create table items as
with touches as (
    select session_id, received_at, actor, seq, unnest(touched) as touch from results where standing = 'merged'
), written as (
    select session_id, regexp_extract(touch.path, '^/items/([^/]+)', 1) as item_id, received_at, actor, seq,
           case when touch.path like '%/outcome' then touch.value ->> '$' else touch.value ->> '$.outcome' end as outcome
    from touches where regexp_matches(touch.path, '^/items/[^/]+(/outcome)?$')
), last as (
    select session_id, item_id, arg_max(outcome, (received_at, actor, seq)) as outcome
    from written where outcome is not null group by all
)
select l.session_id, l.item_id, coalesce(a.section::varchar, 'none') as section,
       case when exists (from observations o where o.session_id = l.session_id and o.item_id = l.item_id and o.in_conflict)
            then 'fail' else l.outcome end as outcome
from last l left join assets a on a.id = l.item_id
"""

with tempfile.TemporaryDirectory() as folder:
    database = duckdb.connect()
    for kind, columns in [("results", RESULTS), ("observations", OBSERVATIONS), ("defects", DEFECTS)]:
        path = fetch(kind, folder)
        database.execute(
            f"create table all_{kind} as from read_json(?, format = 'newline_delimited', columns = {columns})", [path]
        )
        if database.execute(f"select count(next_since) from all_{kind}").fetchone() != (1,):
            raise RuntimeError(f"the feed of {kind} broke off")
        database.execute(f"create view {kind} as from all_{kind} where next_since is null")
    database.execute(
        f"create table assets as from read_json(?, format = 'array', columns = {ASSETS})", [fetch("assets.json", folder)]
    )
    database.execute(ITEMS)
    tested = "from items where outcome in ('pass', 'fail')"
    rates = database.execute(f"select section, avg((outcome = 'pass')::int) {tested} group by section").fetchall()
    classes = database.execute(
        """select classification, count(*) from defects
           where is_removed = false and status not in ('closed', 'withdrawn') group by classification"""
    ).fetchall()
    summary = {
        "items_tested": database.execute(f"select count(*) {tested}").fetchone()[0],
        "pass_rate_by_section": {section: round(rate, 4) for section, rate in rates},
        "open_defects_by_class": dict(classes),
    }
print(json.dumps(summary, sort_keys=True))
