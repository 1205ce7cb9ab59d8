"""A compliance summary out of FireMode's feeds, with pandas. Prints it as JSON."""

import json
import os
import re
import urllib.request

import pandas as pd

BASE_URL = os.environ["FIREMODE_BASE_URL"]
TOKEN = os.environ["FIREMODE_TOKEN"]
OUTCOME = re.compile(r"/items/([^/]+)(/outcome)?")


def get(kind):
    request = urllib.request.Request(
        f"{BASE_URL}/v1/exports/{kind}", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    with urllib.request.urlopen(request) as answer:
        return answer.read().decode()


def feed(kind):
    rows = [json.loads(line) for line in get(kind).splitlines()]
    end = rows.pop() if rows else {}
    if "next_since" not in end:
        raise RuntimeError(f"the feed of {kind} broke off")
    return [row for row in rows if not row.get("is_removed")]


def outcomes(results):
    """Each outcome that was written: session, item, outcome, and its place in the order of writes."""
    for row in results:
        if row["standing"] != "merged":
            continue
        for touch in row["touched"]:
            place = OUTCOME.fullmatch(touch["path"] or "")
            value = touch.get("value")
            if place and not place[2]:
                value = value.get("outcome") if isinstance(value, dict) else None
            if place and value is not None:
                yield row["session_id"], place[1], value, row["received_at"], row["actor"], row["seq"]


written = pd.DataFrame(
    outcomes(feed("results")), columns=["session_id", "item_id", "outcome", "received_at", "actor", "seq"]
)
written["received_at"] = pd.to_datetime(written["received_at"], format="ISO8601")
written = written.sort_values(["received_at", "actor", "seq"])
items = written.groupby(["session_id", "item_id"], as_index=False).last()

observations = pd.DataFrame(feed("observations"), columns=["session_id", "item_id", "in_conflict"])
disputed = observations[observations["in_conflict"] == True][["session_id", "item_id"]]  # noqa: E712
items = items.merge(disputed.assign(is_disputed=True), how="left", on=["session_id", "item_id"])
items.loc[items["is_disputed"].notna(), "outcome"] = "fail"

assets = pd.DataFrame(json.loads(get("assets.json")), columns=["id", "section"])
items = items.merge(assets, how="left", left_on="item_id", right_on="id")
items["section"] = [str(int(section)) if pd.notna(section) else "none" for section in items["section"]]
tested = items[items["outcome"].isin(["pass", "fail"])]
passed = tested.assign(passed=tested["outcome"] == "pass").groupby("section")["passed"].mean()

defects = pd.DataFrame(feed("defects"), columns=["id", "classification", "status"])
is_open = ~defects["status"].isin(["closed", "withdrawn"])
classes = defects[is_open].groupby("classification").size()

summary = {
    "items_tested": len(tested),
    "pass_rate_by_section": {section: round(float(rate), 4) for section, rate in passed.items()},
    "open_defects_by_class": {name: int(count) for name, count in classes.items()},
}
print(json.dumps(summary, sort_keys=True))
