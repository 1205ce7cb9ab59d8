// Two large sessions, made through the public API and read back: one with 1,000 items of 1 KB, one with 50,000 changes. Prints
// how long each reading takes, how large it is on the wire, and the most memory that the API has taken.
// Usage: node large_sessions.mjs SUPERVISOR_PID FIREMODE_BINARY; FIREMODE_BASE_URL says where FireMode answers.
import { randomUUID } from "node:crypto";
import { request } from "node:http";
import { createRequire } from "node:module";
import { gunzipSync } from "node:zlib";

import { children, peak, restartApi } from "./processes.mjs";

const Automerge = createRequire(new URL("../tests/walkthrough/", import.meta.url))("@automerge/automerge");

const [supervisor, binary] = process.argv.slice(2);
const base = process.env.FIREMODE_BASE_URL;
const ITEMS = 1_000;
const CHANGES = 50_000;
const OPERATIONS_PER_REQUEST = 1_000;
let token = null;

/** Status, bytes on the wire, and the body, with gzip where the server likes. */
function send(method, path, body) {
  const headers = { "accept-encoding": "gzip", "content-type": "application/json", "idempotency-key": randomUUID() };
  if (token) headers.authorization = `Bearer ${token}`;
  return new Promise((resolve, reject) => {
    const outgoing = request(`${base}${path}`, { method, headers }, (answer) => {
      const chunks = [];
      answer.on("data", (chunk) => chunks.push(chunk));
      answer.on("error", reject);
      answer.on("end", () => {
        const wire = Buffer.concat(chunks);
        const plain = answer.headers["content-encoding"] === "gzip" ? gunzipSync(wire) : wire;
        if (answer.statusCode >= 300) return reject(new Error(`${method} ${path}: ${answer.statusCode} ${plain}`));
        resolve({ wire: wire.length, plain: plain.length, json: JSON.parse(plain) });
      });
    });
    outgoing.on("error", reject);
    outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

async function timed(what, act) {
  const began = performance.now();
  const result = await act();
  console.log(`${what}: ${Math.round(performance.now() - began)} ms`);
  return result;
}

async function openSession(building_id) {
  return (await send("POST", "/v1/tests/sessions", { building_id })).json.id;
}

async function fillWithItems(session) {
  for (let first = 0; first < ITEMS; first += 250) {
    const item = (_, index) => ({ id: `item-${first + index}`, data: { note: randomUUID().repeat(29).slice(0, 1024) } });
    await send("POST", `/v1/tests/sessions/${session}/items`, { items: Array.from({ length: 250 }, item) });
  }
}

/** Two devices take turns, so that each operation is a change of its own. */
async function fillWithChanges(session) {
  await send("POST", `/v1/tests/sessions/${session}/items`, {
    items: Array.from({ length: 100 }, (_, index) => ({ id: `item-${index}` })),
  });
  for (let first = 0; first < CHANGES; first += OPERATIONS_PER_REQUEST) {
    const operation = (_, index) => ({
      op: "set", path: `/items/item-${(first + index) % 100}/outcome`, value: index % 3 ? "pass" : "fail",
      actor_id: `tablet-${index % 2}`, timestamp: "2026-11-21T08:30:00Z",
    });
    const changes = Array.from({ length: OPERATIONS_PER_REQUEST }, operation);
    await send("POST", `/v1/tests/sessions/${session}/results`, { changes });
  }
}

async function readBack(name, session) {
  const path = `/v1/tests/sessions/${session}`;
  await restartApi(supervisor, binary, base);
  console.log(`${name}: the API begins with ${peak(children(supervisor).api)} MiB`);
  await timed(`${name}: session, cold`, () => send("GET", path));
  await timed(`${name}: session, warm`, () => send("GET", path));
  await timed(`${name}: history, a page`, () => send("GET", `${path}/history?limit=100`));
  const { json, wire, plain } = await timed(`${name}: bundle`, () => send("GET", `${path}/offline_bundle`));
  const document = Automerge.load(new Uint8Array(Buffer.from(json.document, "base64")));
  console.log(
    `${name}: bundle of ${wire} bytes on the wire, ${plain} bytes of JSON; the JavaScript library finds ` +
      `${Automerge.getAllChanges(document).length} changes and ${Object.keys(document.items).length} items`,
  );
  const clock = encodeURIComponent(JSON.stringify(json.vector_clock));
  await timed(`${name}: the session at its clock`, () => send("GET", `${path}?at=${clock}`));
  console.log(`${name}: the API took ${peak(children(supervisor).api)} MiB at most, ingest ${peak(children(supervisor).ingest)} MiB`);
  // By now a copy is kept of a session that is long enough.
  await new Promise((resolve) => setTimeout(resolve, 5_000));
  await restartApi(supervisor, binary, base);
  await timed(`${name}: session, cold, once more`, () => send("GET", path));
}

const registered = await send("POST", "/v1/auth/register", {
  organisation_name: "Large sessions", email: `${randomUUID()}@example.com`, full_name: "Load",
  password: randomUUID(),
});
token = registered.json.access_token;
const building = await send("POST", "/v1/buildings", { site_name: "Large", site_address: "1 Quay Street, Sydney" });
const items = await openSession(building.json.id);
await timed(`make ${ITEMS} items of 1 KB`, () => fillWithItems(items));
const changes = await openSession(building.json.id);
await timed(`make ${CHANGES} changes`, () => fillWithChanges(changes));
await readBack("1,000 items", items);
await readBack("50,000 changes", changes);
