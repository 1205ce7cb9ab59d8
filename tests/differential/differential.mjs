// Random histories of several devices on one session, sent to FireMode and merged by the official JavaScript library beside it.
//
//   FIREMODE_BASE_URL=… node differential.mjs [REQUESTS] [SEED]
//
// Plays histories until so many requests with results were answered (500): the first with this seed (a new one), the next with the
// one after it. One that fails is made as short as it still fails, and its steps are printed.
import { planned, play } from "./history.mjs";
import { Server } from "./server.mjs";

const REPLAYS_MAX = 150;

/** What goes wrong in a history, with what was done until then; null where all is well. */
async function attempt(server, plan) {
  const steps = [];
  try {
    await server.signIn();
    await play(server, plan, (line) => steps.push(line));
    return null;
  } catch (error) {
    return { error, steps };
  }
}

/** How it fails with as few steps as it still does. */
async function shortened(server, plan, failure) {
  let best = failure;
  let { steps } = plan;
  let replays = 0;
  for (let length = steps.length; length > 1; ) {
    length = Math.ceil(length / 2);
    for (let from = 0; from < steps.length && replays < REPLAYS_MAX; replays++) {
      const fewer = [...steps.slice(0, from), ...steps.slice(from + length)];
      const found = await attempt(server, { ...plan, steps: fewer });
      if (found) [best, steps] = [found, fewer];
      else from += length;
    }
  }
  return best;
}

const requests = Number(process.argv[2] ?? 500);
const firstSeed = Number(process.argv[3] ?? Date.now() % 1_000_000_000);
if (!Number.isInteger(requests) || !Number.isInteger(firstSeed)) {
  console.error("usage: differential.mjs [REQUESTS] [SEED]");
  process.exit(2);
}
const server = new Server(process.env.FIREMODE_BASE_URL ?? "http://127.0.0.1:8080");
await server.settle().catch((error) => {
  console.error(`FireMode at ${server.baseUrl} takes nobody: ${error.cause?.message ?? error.message}`);
  process.exit(1);
});
let histories = 0;
for (; server.results < requests; histories++) {
  const plan = planned(firstSeed + histories);
  const failure = await attempt(server, plan);
  if (failure) {
    const { error, steps } = await shortened(server, plan, failure);
    console.error(`seed ${plan.seed} fails: ${failure.error.stack}`);
    console.error(`shortened, it fails so: ${error.stack}\n\n${steps.join("\n")}`);
    process.exit(1);
  }
}
console.log(`${server.results} requests in ${histories} histories from seed ${firstSeed}: equal heads, and nothing is hidden`);
