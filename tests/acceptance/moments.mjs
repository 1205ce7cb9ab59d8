// What is asked at one moment.
import { fetched, organisation, send } from "./client.mjs";

const AT_ONCE = 500;
// One user has only so many requests under way.
const ORGANISATIONS = 10;
const CHECKS = ["database", "ingest_service", "rtl_enabled", "migrations", "performance"];
// A machine that is busy with what was tried before may need a moment.
const READY_MILLISECONDS_MAX = 10_000;

export async function fiveHundredAtOnce() {
  const users = await Promise.all(Array.from({ length: ORGANISATIONS }, () => organisation("Burst")));
  const times = [];
  async function classify(_, number) {
    const { token, session } = users[number % ORGANISATIONS];
    const body = { item_code: "EXT-PRESSURE", observed_condition: "pressure_low", session_id: session };
    const began = performance.now();
    const answer = await fetched("POST", "/v1/classify", { token, body });
    times.push(performance.now() - began);
    return answer;
  }
  const answers = await Promise.all(Array.from({ length: AT_ONCE }, classify));
  const records = new Set(answers.map((answer) => answer.audit_log_id));
  if (records.size !== AT_ONCE) throw new Error(`${records.size} of ${AT_ONCE} are on record`);
  const wrong = answers.filter((answer) => answer.classification !== "non_critical_defect").length;
  if (wrong > 0) throw new Error(`${wrong} have another class`);
  times.sort((one, other) => one - other);
  return `${AT_ONCE} classes, each on record, p95 ${times[Math.floor(AT_ONCE * 0.95)].toFixed(0)} ms, connections made meanwhile included`;
}

export async function isReady() {
  const began = performance.now();
  let answer = await send("GET", "/health/ready");
  while (answer.status !== 200 && performance.now() - began < READY_MILLISECONDS_MAX) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    answer = await send("GET", "/health/ready");
  }
  const { ready, checks } = answer.json;
  const failed = CHECKS.filter((name) => checks?.[name] !== true);
  if (answer.status !== 200 || ready !== true || failed.length > 0) throw new Error(`${answer.status}, ${failed.join(", ")} false`);
  for (const path of ["/health", "/health/live"]) await fetched("GET", path);
  return `after ${(performance.now() - began).toFixed(0)} ms`;
}
