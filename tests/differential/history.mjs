// One history of a session: what its devices do, and what they send.
import Automerge from "./automerge.mjs";
import { Author, apply, operation, told } from "./intention.mjs";
import { Random } from "./random.mjs";
import { TestedSession, base64, hashOf } from "./session.mjs";

const KINDS = [
  ...["edit", "edit", "edit", "edit", "edit", "edit", "hand over", "hand over"],
  ...["operate", "operate", "operate", "synchronise", "meet", "seize"],
];
const STEPS_MAX = 40;

/** What happens in a history, as data. Each step has random choices of its own: it stays the same where others are left out. */
export function planned(seed) {
  const random = new Random(seed);
  const devices = 2 + random.below(4);
  const steps = Array.from({ length: 5 + random.below(STEPS_MAX - 5) }, () => {
    return { kind: random.pick(KINDS), device: random.below(devices), seed: random.bits() };
  });
  return { seed, devices, steps };
}

/** Plays a history; `log` is told each step. */
export async function play(server, plan, log) {
  const session = await TestedSession.open(server, log);
  const history = new History(session, plan, log);
  for (const step of plan.steps) await history.step(step);
  await history.handOverAll();
  await session.checkEnd(new Random(plan.seed + 2));
}

class History {
  #marks = 0;

  constructor(session, plan, log) {
    Object.assign(this, { session, plan, log });
    const random = new Random(plan.seed);
    const uuid = () => `${random.hex(8)}-${random.hex(4)}-4${random.hex(3)}-a${random.hex(3)}-${random.hex(12)}`;
    // One to three, the last of which is not there yet: the fewer, the more devices meet.
    this.itemIds = [...Object.keys(session.shown.document.items), uuid()].slice(random.below(3));
    this.evidenceIds = [uuid(), uuid()];
    this.mark = () => `<${++this.#marks}>`;
    this.devices = Array.from({ length: plan.devices }, (_, number) => {
      // Some sort before the server's actors, some after them.
      const actor = `${number % 2 === 0 ? "00" : "ff"}${random.hex(30)}`;
      return { name: `device-${number}`, document: Automerge.clone(session.document, { actor }), outbox: [] };
    });
  }

  async step({ kind, device, seed }) {
    const random = new Random(seed);
    const self = this.devices[device];
    this.log(`${self.name}: ${kind}`);
    if (kind === "edit") this.#edit(self, random);
    else if (kind === "hand over") await this.#handOver(self, random);
    else if (kind === "operate") await this.#operate(self, random);
    else if (kind === "synchronise") this.#learn(self, this.session.document);
    else if (kind === "meet") this.#learn(self, random.pick(this.devices).document);
    else await this.#seize(self, random);
  }

  #learn(device, document) {
    device.document = Automerge.merge(device.document, Automerge.clone(document));
  }

  #author(random, isLibrary) {
    const { mark, itemIds, evidenceIds } = this;
    return new Author(random, { mark, itemIds, evidenceIds, isLibrary });
  }

  /** One change of the library, with up to three edits. */
  #edit(device, random) {
    const author = this.#author(random, true);
    const options = { time: 1_800_000_000 + this.#marks };
    const intentions = [];
    for (let left = 1 + random.below(3), preview = Automerge.clone(device.document); left > 0; left--) {
      const intention = author.intend(preview);
      this.log(`    ${told(intention)}`);
      preview = Automerge.change(preview, (draft) => apply(draft, intention));
      intentions.push(intention);
    }
    const edited = Automerge.change(device.document, options, (draft) => {
      intentions.forEach((intention) => apply(draft, intention));
    });
    device.outbox.push(...Automerge.getChanges(device.document, edited));
    device.document = edited;
  }

  /** Sends some of what waits, in any order, with something that was sent before. */
  async #handOver(device, random) {
    const waiting = random.shuffled(device.outbox);
    const some = waiting.slice(0, 1 + random.below(waiting.length));
    const again = random.shuffled([...this.session.acknowledged.values()]).slice(0, random.below(3));
    const changes = random.shuffled([...some, ...again]);
    if (changes.length > 0) await this.#sendChanges(changes, random.chance(0.3));
  }

  async handOverAll() {
    const random = new Random(this.plan.seed + 1);
    const left = random.shuffled(this.devices.flatMap((device) => device.outbox));
    while (left.length > 0) await this.#sendChanges(left.splice(0, 1 + random.below(4)), random.chance(0.3));
  }

  async #sendChanges(changes, isBinary) {
    this.log(`    sends ${changes.map((change) => hashOf(change).slice(0, 6)).join(" ")}`);
    const body = isBinary ? new Uint8Array(Buffer.concat(changes)) : { changes: changes.map(base64) };
    await this.#send(body, { changes });
  }

  /** Sends operations as of a clock, some of them again, and at times changes with them. */
  async #operate(device, random) {
    const isNow = random.chance(0.2);
    const seen = isNow ? this.session.shown : random.pick([this.session.shown, ...this.session.past]);
    const author = this.#author(random, false);
    const operations = Array.from({ length: 1 + random.below(3) }, () => {
      const intention = author.intend(seen.document);
      const made = operation(intention, device.name, this.#marks);
      return random.chance(0.5) ? { ...made, op_id: `op-${random.hex(12)}` } : made;
    });
    const again = this.session.operations.filter((sent) => sent.op_id && sent.actor_id === device.name);
    if (again.length > 0 && random.chance(0.3)) operations.push(random.pick(again));
    const changes = random.chance(0.2) ? device.outbox.slice(0, 2) : [];
    operations.forEach(({ op, path, value }) => this.log(`    ${op} ${path} ${JSON.stringify(value)}`));
    this.log(`    with ${changes.length} changes, as of ${isNow ? "now" : `request ${this.session.past.indexOf(seen)}`}`);
    const clock = isNow ? {} : { vector_clock: seen.vector_clock };
    await this.#send({ changes: [...changes.map(base64), ...operations], ...clock }, { changes, operations });
  }

  /** Tries what nobody may: to do something with all items at once. */
  async #seize(device, random) {
    const seized = Automerge.change(Automerge.clone(device.document), (draft) => {
      if (random.chance(0.5)) delete draft.items;
      else draft.items = random.pick([{}, 1, []]);
    });
    const change = base64(Automerge.getLastLocalChange(seized));
    const asOperation = operation({ action: random.pick(["set", "delete"]), path: ["items"], value: {} }, device.name, 0);
    const entry = asOperation.op === "delete" || random.chance(0.5) ? asOperation : change;
    await this.session.refuses([...device.outbox.slice(0, 1).map(base64), entry], "FIRE-422-STRUCTURE");
  }

  async #send(body, entries) {
    await this.session.send(body, entries);
    const isWaiting = (change) => !this.session.acknowledged.has(hashOf(change));
    this.devices.forEach((device) => (device.outbox = device.outbox.filter(isWaiting)));
  }
}
