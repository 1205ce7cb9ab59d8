// What a customer tries before he takes it, against a running FireMode, which may be thrown away: FIREMODE_BASE_URL. Prints a table; exit
// code 0 if everything holds.
import { closeAll } from "./client.mjs";
import { bundleOfThousandItems } from "./bundle.mjs";
import { errorFormOnEveryRoute } from "./errors.mjs";
import { pagesBesideWriters } from "./pages.mjs";
import { fiveHundredAtOnce, isReady } from "./moments.mjs";

const PROOFS = [
  ["readiness: 200, and all five checks true", isReady],
  ["every refusal on every route has the form of an error", errorFormOnEveryRoute],
  ["pages beside 100 writers have every row once", pagesBesideWriters],
  ["500 requests at one moment are all answered", fiveHundredAtOnce],
  ["a bundle of 1,000 items of 1 KB is under 50 MB", bundleOfThousandItems],
  ["readiness afterwards", isReady],
];

const table = [];
for (const [what, prove] of PROOFS) {
  const began = performance.now();
  const [isHeld, seen] = await prove().then((words) => [true, words], (error) => [false, error.message]);
  table.push({ what, isHeld, seen, seconds: (performance.now() - began) / 1_000 });
}
closeAll();
for (const { what, isHeld, seen, seconds } of table) {
  console.log(`${isHeld ? "held    " : "NOT HELD"} ${seconds.toFixed(1).padStart(6)} s  ${what}: ${seen}`);
}
process.exitCode = table.every((row) => row.isHeld) ? 0 : 1;
