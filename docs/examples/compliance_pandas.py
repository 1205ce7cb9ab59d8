"""A compliance summary out of FireMode's feeds, with pandas. Prints it as JSON."""

import json
import os
import urllib.request

import pandas as pd

BASE_URL = os.environ["FIREMODE_BASE_URL"]
TOKEN = os.environ["FIREMODE_TOKEN"]


def feed(kind, columns):
    request = urllib.request.Request(
        f"{BASE_URL}/v1/exports/{kind}", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    with urllib.request.urlopen(request) as answer:
        rows = [json.loads(line) for line in answer]
    end = rows.pop() if rows else {}
    if "next_since" not in end:
        raise RuntimeError(f"the feed of {kind} broke off")
    return pd.DataFrame([row for row in rows if not row["is_removed"]], columns=columns)


items = feed("items", ["session_id", "item_id", "section", "outcome"])
tested = items[items["outcome"].isin(["pass", "fail"])]
section = tested["section"].map(lambda section: "none" if pd.isna(section) else str(int(section)))
rates = (tested["outcome"] == "pass").groupby(section).mean()

defects = feed("defects", ["id", "classification", "status"])
is_open = ~defects["status"].isin(["closed", "withdrawn"])
classes = defects[is_open].groupby("classification").size()

summary = {
    "items_tested": len(tested),
    "pass_rate_by_section": {section: round(float(rate), 4) for section, rate in rates.items()},
    "open_defects_by_class": {name: int(count) for name, count in classes.items()},
}
print(json.dumps(summary, sort_keys=True))
