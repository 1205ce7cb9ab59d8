// Reads long sessions that the API does not have in memory, see cold_reads.sh. Usage: node cold_reads.mjs SUPERVISOR_PID FIREMODE_BINARY
// SESSIONS, a file with the ids of a small session, the largest, one of 100,000 changes and those of 20,000. TOKEN is who reads.
import { readFileSync } from "node:fs";

import { hammer, send } from "./attack/wire.mjs";
import { children, peak, restartApi } from "./processes.mjs";

const [supervisor, binary, file] = process.argv.slice(2);
const { TOKEN: token, FIREMODE_BASE_URL: base } = process.env;
const [small, largest, long, ...others] = readFileSync(file, "utf8").trim().split("\n");
const SECONDS = 20;
const path = (session) => `/v1/tests/sessions/${session}`;
const get = (path) => send("GET", path, { token, seconds: 60 });

/** A value that so many percent of them do not exceed. */
const percentile = (values, percent) => values.sort((a, b) => a - b)[Math.ceil((values.length * percent) / 100) - 1];

async function firstRead(what, path) {
  await restartApi(supervisor, binary, base);
  const answer = await get(path);
  const memory = peak(children(supervisor).api);
  console.log(`${what}: ${answer.status} in ${answer.milliseconds.toFixed(0)} ms, the API took ${memory} MiB at most`);
  return answer;
}

/** Reads the small session, one read after the other, until the signal. */
async function neighbour(signal) {
  const [times, answers] = [[], {}];
  while (!signal.aborted) {
    const { status, milliseconds } = await get(path(small));
    answers[status] = (answers[status] ?? 0) + 1;
    times.push(milliseconds);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return `${JSON.stringify(answers)}, p50 ${percentile(times, 50).toFixed(1)}, p95 ${percentile(times, 95).toFixed(1)} ms`;
}

/** Lets clients read for a while beside a neighbour: so many, each what `next` says. */
async function beside(what, clients, next) {
  await restartApi(supervisor, binary, base);
  const before = children(supervisor).api;
  const [signal, answers] = [AbortSignal.timeout(SECONDS * 1_000), {}];
  const [seen] = await Promise.all([neighbour(signal), hammer(clients, signal, () => get(next()), answers)]);
  const after = children(supervisor).api;
  const memory = before === after ? `took ${peak(after)} MiB at most` : "was ended";
  console.log(`${what}: ${JSON.stringify(answers)}; neighbour ${seen}; the API ${memory}`);
}

const { json } = await firstRead("session of 20,000 changes, first read", path(others[0]));
await firstRead("session of 100,000 changes, first read", path(long));
await firstRead("the largest session, first read", path(largest));
const at = encodeURIComponent(JSON.stringify(json.vector_clock));
await firstRead("session of 20,000 changes at its clock, first read", `${path(others[0])}?at=${at}`);
await firstRead("list of all of them, first read", "/v1/tests/sessions?limit=100");
let turn = 0;
await beside("4 clients that read the largest", 4, () => path(largest));
await beside("16 clients that read the others", 16, () => path(others[turn++ % others.length]));
await beside("14 clients that list all of them", 14, () => "/v1/tests/sessions?limit=100");
