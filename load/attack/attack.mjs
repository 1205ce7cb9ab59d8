// Runs the attacks, one after the other, beside an honest neighbour: somebody of another organisation who signs in, reads, writes and
// asks for readiness, each time on a new connection and from an address of its own. `attack.mjs SUPERVISOR_PID LOG [SECONDS [NAME...]]`;
// what is named is part of an attack's name. A process that hands over to another because of its memory loses no request: it was
// replaced, not ended.

import { fork } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";

import { children, peak } from "../processes.mjs";
import { ATTACKS } from "./attacks.mjs";
import { send } from "./wire.mjs";

const [supervisor, log, seconds = "8", ...wanted] = process.argv.slice(2);
const PASSWORD = "nine lanterns beside the quiet river";
const PAUSE_SECONDS = 0.1;
const REST_SECONDS = 2;
const NOTHING = "nothing";

const rest = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1_000));

async function must(...request) {
  const answer = await send(...request);
  if (answer.status < 200 || answer.status > 299) throw new Error(`${request[0]} ${request[1]}: ${answer.status}`);
  return answer.json;
}

/** An organisation with an item in some sessions. */
async function register(address, sessionCount) {
  const email = `${randomUUID()}@example.com`;
  const body = { organisation_name: email, email, password: PASSWORD, full_name: "Ada Example" };
  const { access_token: token } = await must("POST", "/v1/auth/register", { body, address });
  const building = await must("POST", "/v1/buildings", { token, body: { site_name: "A", site_address: "B" } });
  const asset = { item_code: "EXT-PRESSURE", section: 10, label: "Extinguisher", location: "Level 1" };
  const made = await must("POST", `/v1/buildings/${building.id}/assets`, { token, body: [asset] });
  const sessions = [];
  for (let number = 0; number < sessionCount; number++) {
    sessions.push((await must("POST", "/v1/tests/sessions", { token, body: { building_id: building.id } })).id);
  }
  return { address, email, token, sessions, item: made.results[0].asset.id };
}

/** What the neighbour does, in turn, by name. */
function requestsOf({ address, email, token, sessions, item }) {
  const operation = () => ({
    op: "set", path: `/items/${item}/notes`, value: randomUUID(), actor_id: "tablet", timestamp: new Date().toISOString(),
  });
  const fault = { item_code: "EXT-PRESSURE", observed_condition: "pressure_low" };
  const results = `/v1/tests/sessions/${sessions[0]}/results`;
  return Object.entries({
    buildings: () => send("GET", "/v1/buildings", { token, address }),
    results: () => send("POST", results, { token, address, body: { changes: [operation()] } }),
    ready: () => send("GET", "/health/ready", { address }),
    classify: () => send("POST", "/v1/classify", { token, address, body: fault }),
    login: () => send("POST", "/v1/auth/login", { address, body: { email, password: PASSWORD } }),
  });
}

async function live(neighbour, signal) {
  const seen = [];
  for (let turn = 0; !signal.aborted; turn++) {
    const requests = requestsOf(neighbour);
    const [what, ask] = requests[turn % requests.length];
    seen.push({ what, ...(await ask()) });
    await rest(PAUSE_SECONDS);
  }
  return seen;
}

/** What the supervisor has said since: which children failed, and which handed over. */
function said(since) {
  const lines = readFileSync(log, "utf8").slice(since).split("\n").filter((line) => / child=/.test(line));
  const named = (what) => lines.filter((line) => what.test(line)).map((line) => / child="?(\w+)/.exec(line)[1]);
  return { killed: named(/ failed: /), replaced: named(/ handover="?done/) };
}

function quantile(sorted, share) {
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
}

/** An attack in a process of its own, so that its work does not hold up the neighbour; gives what the server answered, by status. */
function begin(name, victim, neighbour) {
  const attacker = fork(new URL("attacker.mjs", import.meta.url), [name]);
  const answers = once(attacker, "message").then(([message]) => message);
  attacker.send({ victim, neighbour });
  return { answers, stop: () => attacker.send("stop") };
}

const counted = (of) => Object.entries(of).map(([what, count]) => `${what}: ${count}`).join(", ");

async function run(name, victim, neighbour) {
  const since = readFileSync(log, "utf8").length;
  const controller = new AbortController();
  const attack = name === NOTHING ? undefined : begin(name, victim, neighbour);
  const living = live(neighbour, controller.signal);
  await rest(Number(seconds));
  controller.abort();
  attack?.stop();
  const seen = await living;
  const answers = (await attack?.answers) ?? {};
  await rest(REST_SECONDS);
  const after = children(supervisor);
  const { killed, replaced } = said(since);
  const failures = {};
  for (const { what, status } of seen.filter(({ status }) => status < 200 || status > 299)) {
    failures[`${what} ${status}`] = (failures[`${what} ${status}`] ?? 0) + 1;
  }
  const failed = Object.values(failures).reduce((sum, count) => sum + count, 0);
  const times = seen.map(({ milliseconds }) => milliseconds).sort((a, b) => a - b);
  console.log(
    `${name} → p50 ${quantile(times, 0.5)} ms, p95 ${quantile(times, 0.95)} ms, ${failed} of ${seen.length} failed`
      + `${failed ? ` (${counted(failures)})` : ""} → killed: ${killed.join(", ") || "none"}`
      + `${replaced.length ? `, replaced: ${replaced.join(", ")}` : ""}   [attacker: ${counted(answers) || "no answer"}; api ${peak(after.api)} MiB, ingest ${peak(after.ingest)} MiB at most]`,
  );
  return failed === 0 && killed.length === 0;
}

const victim = await register("127.0.0.1", 60);
const neighbour = await register("127.0.0.2", 1);
const chosen = Object.keys(ATTACKS).filter((name) => wanted.length === 0 || wanted.some((part) => name.includes(part)));
let isSound = true;
for (const name of [NOTHING, ...chosen]) isSound = (await run(name, victim, neighbour)) && isSound;
process.exit(isSound ? 0 : 1);
