// One kept connection asks one thing after the other. FIREMODE_BASE_URL, TOKEN, SESSION, ITEM, ROUNDS, COMMIT_MILLISECONDS.
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { Agent, request } from "node:http";

const { FIREMODE_BASE_URL, TOKEN, SESSION, ITEM } = process.env;
const ROUNDS = Number(process.env.ROUNDS);
const COMMIT_MS = Number(process.env.COMMIT_MILLISECONDS);
const EVIDENCE_BYTES = 100_000;
const ABOVE_FLOOR_MAX_MS = 2;
const agent = new Agent({ keepAlive: true, maxSockets: 1 });

/** Milliseconds from the first byte sent to the last one read. */
function ask(method, path, body, headers = {}) {
  const options = { method, agent, headers: { authorization: `Bearer ${TOKEN}`, ...headers } };
  if (body) options.headers["content-length"] = Buffer.byteLength(body);
  return new Promise((done, fail) => {
    const began = performance.now();
    const sent = request(FIREMODE_BASE_URL + path, options, (answer) => {
      const parts = [];
      answer.on("data", (part) => parts.push(part));
      answer.on("end", () => {
        const took = performance.now() - began;
        if (answer.statusCode < 300) done(took);
        else fail(new Error(`${method} ${path}: ${answer.statusCode} ${Buffer.concat(parts)}`));
      });
    });
    sent.on("error", fail);
    sent.end(body);
  });
}

const json = (path, body) =>
  ask("POST", path, JSON.stringify(body), { "content-type": "application/json", "idempotency-key": randomUUID() });

const session = `/v1/tests/sessions/${SESSION}`;

function results() {
  const operation = { op: "set", path: `/items/${ITEM}/outcome`, value: "pass", actor_id: "tablet", timestamp: "2026-02-13T01:02:03Z" };
  return json(`${session}/results`, { changes: [operation] });
}

/** A text, since bytes at random are no document. */
function evidence() {
  const file = Buffer.from(randomBytes(EVIDENCE_BYTES / 2).toString("hex"));
  const fields = { sha256_hash: createHash("sha256").update(file).digest("hex"), session_id: SESSION, evidence_type: "document" };
  const part = (head, value) => [Buffer.from(`--x\r\ncontent-disposition: form-data; ${head}\r\n\r\n`), Buffer.from(value), Buffer.from("\r\n")];
  const parts = Object.entries(fields).flatMap(([name, value]) => part(`name="${name}"`, value));
  parts.push(...part('name="file"; filename="a.txt"\r\ncontent-type: text/plain', file), Buffer.from("--x--\r\n"));
  const headers = { "content-type": "multipart/form-data; boundary=x", "idempotency-key": randomUUID() };
  return ask("POST", "/v1/evidence", Buffer.concat(parts), headers);
}

const asked = {
  "empty handler": [() => ask("GET", "/health"), 0],
  results: [results, COMMIT_MS],
  "evidence, 100 KB": [evidence, COMMIT_MS],
  classify: [() => json("/v1/classify", { item_code: "EXT-PRESSURE", observed_condition: "pressure_low" }), COMMIT_MS],
  session: [() => ask("GET", session), 0],
  bundle: [() => ask("GET", `${session}/offline_bundle`), 0],
  "list of sessions": [() => ask("GET", "/v1/tests/sessions"), 0],
};

const times = Object.fromEntries(Object.keys(asked).map((name) => [name, []]));
for (let round = -20; round < ROUNDS; round++) {
  for (const [name, [send]] of Object.entries(asked)) {
    const took = await send();
    if (round >= 0) times[name].push(took);
  }
}

const percentile = (name, percent) => times[name].sort((a, b) => a - b)[Math.floor((times[name].length * percent) / 100)];
const empty = percentile("empty handler", 50);
console.log(`one durable commit: ${COMMIT_MS} ms`);
console.log(`${"".padEnd(18)}${["p50", "p95", "floor", "above"].map((head) => head.padStart(8)).join("")}`);
for (const [name, [, commit]] of Object.entries(asked)) {
  const [p50, floor] = [percentile(name, 50), empty + commit];
  const figures = [p50, percentile(name, 95), floor, p50 - floor].map((value) => value.toFixed(2).padStart(8));
  console.log(`${name.padEnd(18)}${figures.join("")}${p50 - floor > ABOVE_FLOOR_MAX_MS ? "  NOT within 2 ms" : ""}`);
  if (p50 - floor > ABOVE_FLOOR_MAX_MS) process.exitCode = 1;
}
agent.destroy();
