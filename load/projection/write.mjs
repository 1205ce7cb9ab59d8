// Sends results to the sessions of a file in turns, at a rate. URL, TOKEN, ITEM, SESSIONS (a file, one id a line), RATE, SECONDS_EACH.
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

const { URL: base, TOKEN, ITEM, SESSIONS, RATE, SECONDS_EACH } = process.env;
const sessions = readFileSync(SESSIONS, "utf8").trim().split("\n");
const began = performance.now();

async function send(number) {
  const changes = [{
    op: "set", path: `/items/${ITEM}/outcome`, value: number % 40 < 20 ? "fail" : "pass",
    actor_id: `device-${number % 2}`, timestamp: new Date().toISOString(),
  }];
  const answer = await fetch(`${base}/v1/tests/sessions/${sessions[number % sessions.length]}/results`, {
    method: "POST", body: JSON.stringify({ changes }),
    headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json", "idempotency-key": randomUUID() },
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${answer.status} ${text}`);
}

const sent = [];
for (let number = 0; number < RATE * SECONDS_EACH; number += 1) {
  await pause(Math.max(0, (number * 1000) / RATE - (performance.now() - began)));
  sent.push(send(number));
}
await Promise.all(sent);
