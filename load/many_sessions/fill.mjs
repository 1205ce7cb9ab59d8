// Gives each session of a file so many changes, through the public API. URL, TOKEN, ITEM, SESSIONS (a file, one id a line), CHANGES.
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";

const { URL: base, TOKEN, ITEM, SESSIONS, CHANGES } = process.env;
const OPERATIONS_PER_REQUEST = 500;
const AT_ONCE = 8;
const sessions = readFileSync(SESSIONS, "utf8").trim().split("\n");

/** Two devices take turns, so that each operation is a change of its own. */
async function fill(session) {
  for (let first = 0; first < CHANGES; first += OPERATIONS_PER_REQUEST) {
    const length = Math.min(OPERATIONS_PER_REQUEST, CHANGES - first);
    const changes = Array.from({ length }, (_, index) => ({
      op: "set", path: `/items/${ITEM}/outcome`, value: index % 3 ? "pass" : "fail",
      actor_id: `device-${index % 2}`, timestamp: "2026-02-13T01:02:03Z",
    }));
    const answer = await fetch(`${base}/v1/tests/sessions/${session}/results`, {
      method: "POST", body: JSON.stringify({ changes }),
      headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json", "idempotency-key": randomUUID() },
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${answer.status} ${text}`);
  }
}

async function work() {
  for (let session = sessions.pop(); session; session = sessions.pop()) await fill(session);
}

await Promise.all(Array.from({ length: AT_ONCE }, work));
