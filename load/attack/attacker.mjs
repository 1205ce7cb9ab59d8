// One attack, named by the argument: begins with the message that says whom to attack, and ends with the next one.

import { once, setMaxListeners } from "node:events";

import { ATTACKS } from "./attacks.mjs";

const [{ victim, neighbour }] = await once(process, "message");
const controller = new AbortController();
setMaxListeners(Infinity, controller.signal);
const answers = {};
process.once("message", () => {
  controller.abort();
  process.send(answers, () => process.exit());
});
ATTACKS[process.argv[2]](victim, controller.signal, answers, neighbour);
