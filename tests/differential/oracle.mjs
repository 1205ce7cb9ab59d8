// What must be shown, from the changes alone.
//
// The library shows nothing of what was replaced or deleted, also where the writer who did that had not seen it; FireMode shows that too.
// So the library cannot say what is right, and this can. Each value that a change wrote is in the document or in its conflicts, unless a
// change that had seen it (itself, or through its dependencies) wrote at its place or at a place that holds it. Of an item in dispute,
// writing its outcome in another object of the item counts as well. Keys that spell one id are one place.
//
// A value is a marked string, a marked piece that was typed into a text, a counter with all its increments, or an outcome.
import { hasIdsAsKeys, usual } from "./plain.mjs";

const MARKS = /<\d+>/g;

export class Oracle {
  /** By hash, the hashes of the changes that a change had seen, its own included. */
  #seen = new Map();
  /** By id: where an object or an element stands, and what kind it is. */
  #paths = new Map([["_root", []]]);
  #texts = new Map();
  #counters = new Map();
  /** Everything that wrote at a place. */
  #writes = [];
  /** Characters that were deleted from texts. */
  #deleted = new Set();
  /** Marked values: `{needle, parts}`, gone when all their parts are. */
  values = [];
  /** Outcomes of items: `{value, write}`. */
  outcomes = [];

  /** Changes as the library decodes them, each after those it depends on. */
  constructor(changes) {
    changes.forEach((change) => this.#take(change));
    for (const { sum, parts } of this.#counters.values()) this.values.push({ needle: new RegExp(`\\b${sum}\\b`), parts });
  }

  /** The marked values that must be shown. */
  required() {
    return this.values.filter(({ parts }) => !parts.every((part) => this.#isRemoved(part)));
  }

  /** The outcomes that must be shown, with the ids of their items. */
  requiredOutcomes() {
    const left = this.outcomes.filter(({ write }) => !this.#isRemoved(write));
    return left.map(({ value, write }) => ({ id: write.path[1], outcome: value }));
  }

  #take(change) {
    this.#seen.set(change.hash, new Set([change.hash, ...change.deps.flatMap((dep) => [...this.#seen.get(dep)])]));
    const typed = new Map();
    change.ops.forEach((op, position) => {
      const write = { id: `${change.startOp + position}@${change.actor}`, object: op.obj, hash: change.hash, position };
      if (this.#texts.has(op.obj)) this.#type(op, write, typed);
      else this.#write(op, { ...write, path: this.#path(op, write.id) });
    });
    for (const [text, characters] of typed) this.#keepMarks(text, characters, change.hash);
  }

  #path(op, id) {
    const holder = this.#paths.get(op.obj);
    const element = op.insert ? id : op.elemId;
    if (element !== undefined) return [...holder, element];
    return [...holder, hasIdsAsKeys(holder) ? usual(op.key) : op.key];
  }

  #write(op, write) {
    if (op.action === "inc") {
      for (const id of op.pred.filter((id) => this.#counters.has(id))) {
        const counter = this.#counters.get(id);
        counter.sum += op.value;
        counter.parts.push(write);
      }
      return;
    }
    this.#writes.push(write);
    if (op.action === "del") return;
    const outcome = this.#outcome(op, write);
    if (op.action.startsWith("make")) this.#paths.set(write.id, write.path);
    if (op.action === "makeText") this.#texts.set(write.id, { write, outcome });
    if (op.datatype === "counter") this.#counters.set(write.id, { sum: op.value, parts: [write] });
    if (typeof op.value === "string") {
      for (const [needle] of op.value.matchAll(MARKS)) this.values.push({ needle, parts: [write] });
    }
  }

  #outcome(op, write) {
    if (write.path.length !== 3 || write.path[0] !== "items" || write.path[2] !== "outcome") return undefined;
    const outcome = { value: op.action === "makeText" ? "" : op.value, write };
    this.outcomes.push(outcome);
    return outcome;
  }

  #type(op, write, typed) {
    if (op.action === "del") {
      this.#deleted.add(op.elemId);
      return;
    }
    const { outcome, write: made } = this.#texts.get(op.obj);
    if (outcome && made.hash === write.hash) outcome.value += op.value;
    if (!typed.has(op.obj)) typed.set(op.obj, []);
    typed.get(op.obj).push({ ...write, character: op.value });
  }

  /** A mark that was typed stands where its text does. */
  #keepMarks(text, characters, hash) {
    const { path } = this.#texts.get(text).write;
    const all = characters.map(({ character }) => character).join("");
    for (const { 0: needle, index } of all.matchAll(MARKS)) {
      const run = characters.slice(index, index + needle.length);
      const part = { path, object: text, hash, position: run.at(-1).position, characters: run.map(({ id }) => id) };
      this.values.push({ needle, parts: [part] });
    }
  }

  #isRemoved(part) {
    return part.characters?.some((id) => this.#deleted.has(id)) || this.#writes.some((write) => this.#removes(write, part));
  }

  #removes(write, part) {
    const isLater = write.hash !== part.hash || write.position > part.position;
    if (!isLater || !this.#seen.get(write.hash).has(part.hash)) return false;
    const begins = (path) => path.every((segment, index) => part.path[index] === segment);
    const isOutcome = write.path.length === 3 && write.path[0] === "items" && write.path[2] === "outcome";
    return begins(write.path) || (isOutcome && begins(write.path.slice(0, 2)) && write.object !== part.object);
  }
}
