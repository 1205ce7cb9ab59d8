// What a device wants to do next to a document: one step down a random path of it, as the library or a JSON client does it.
//
// Each string that is written is marked with a number of its own, `<7>`, so that it can be found again wherever it is shown. Counters
// start at a million times such a number, which their sums stay close to.
import Automerge from "./automerge.mjs";
import { OUTCOMES, isMap, pointer } from "./plain.mjs";

const FIELDS = ["outcome", "outcome", "outcome", "notes", "measurements", "evidence", "photos", "extra", "count"];
const KEYS = ["p", "q", "in"];

/** Who wants something: the random choices, new marks, and which ids there are. */
export class Author {
  constructor(random, { mark, itemIds, evidenceIds, isLibrary }) {
    Object.assign(this, { random, mark, itemIds, evidenceIds, isLibrary });
  }

  /** An intention `{action, path, value?, from?, count?}` for a document; values of the library or JSON alike. */
  intend(document) {
    if (this.random.chance(0.05)) return this.#place(document, ["site"]);
    const id = this.random.pick(this.itemIds);
    // Two keys that spell one id are two objects to the library.
    const spelled = this.isLibrary && this.random.chance(0.05) ? id.toUpperCase() : id;
    return this.#item(document.items, ["items", spelled]);
  }

  #item(items, path) {
    const item = items?.[path.at(-1)];
    const choice = this.random.below(100);
    if (item !== undefined && choice < 7) return { action: "delete", path };
    if (item === undefined || choice < 15) return { action: "set", path, value: this.#newItem() };
    if (choice < 17 && this.isLibrary) return { action: "set", path, value: this.mark() };
    if (!isMap(item)) return { action: "set", path, value: this.#newItem() };
    return this.#field(item, [...path, this.random.pick(FIELDS)]);
  }

  #newItem() {
    const outcome = this.random.chance(0.5) ? { outcome: this.random.pick(OUTCOMES) } : {};
    return { ...outcome, [this.random.pick(["notes", "extra"])]: this.mark() };
  }

  #field(item, path) {
    const name = path.at(-1);
    if (name !== "outcome") return this.#place(item, path);
    if (item.outcome !== undefined && this.random.chance(0.1)) return { action: "delete", path };
    const isOdd = this.isLibrary && this.random.chance(0.08);
    return { action: "set", path, value: isOdd ? this.#value(path) : this.random.pick(OUTCOMES) };
  }

  /** Something at a place of a map or a list, or inside what is there. */
  #place(holder, path) {
    const value = holder[path.at(-1)];
    if (value !== undefined && this.random.chance(0.65)) {
      const inside = this.#inside(value, path);
      if (inside) return inside;
    }
    if (value !== undefined && this.random.chance(0.25)) return { action: "delete", path };
    if (path.length === 3 && path[2] === "count" && this.isLibrary) return { action: "set", path, value: this.#counter() };
    return { action: "set", path, value: this.#value(path) };
  }

  #inside(value, path) {
    if (Array.isArray(value)) return this.#list(value, path);
    if (isMap(value)) return this.#place(value, [...path, this.random.pick(this.#keys(path))]);
    if (!this.isLibrary) return null;
    if (typeof value === "string") return this.#text(value, path);
    if (Automerge.isCounter(value)) return { action: "increment", path, value: 1 + this.random.below(5) };
    return null;
  }

  #keys(path) {
    return path.length === 3 && path[2] === "evidence" ? this.evidenceIds : KEYS;
  }

  #list(list, path) {
    if (list.length > 0 && this.random.chance(0.6)) return this.#place(list, [...path, this.random.below(list.length)]);
    if (!this.isLibrary) return { action: "append", path, value: this.#element() };
    return { action: "insert", path, from: this.random.below(list.length + 1), value: this.#element() };
  }

  #element() {
    return this.random.chance(0.5) ? this.mark() : { [this.random.pick(KEYS)]: this.mark() };
  }

  /** A mark is written between others, or one of them is cut out. */
  #text(text, path) {
    const marks = [...text.matchAll(/<\d+>/g)];
    if (marks.length > 0 && this.random.chance(0.3)) {
      const { index, 0: mark } = this.random.pick(marks);
      return { action: "splice", path, from: index, count: mark.length, value: "" };
    }
    const from = this.random.pick([0, text.length, ...marks.map((mark) => mark.index)]);
    return { action: "splice", path, from, count: 0, value: this.mark() };
  }

  #counter() {
    return new Automerge.Counter(1_000_000 * Number(this.mark().slice(1, -1)));
  }

  #value(path) {
    const key = this.random.pick(this.#keys(path));
    const choices = [
      () => this.mark(),
      () => this.mark(),
      () => ({ [key]: this.mark() }),
      () => ({ in: { [this.random.pick(KEYS)]: this.mark() }, [key]: this.mark() }),
      () => [this.mark(), { n: this.mark() }],
      () => [this.mark()],
      () => this.random.pick([[], {}, null, true, 7, 2.5]),
      () => (this.isLibrary ? this.random.pick([this.#counter(), new Date(1_800_000_000_000)]) : this.mark()),
    ];
    return this.random.pick(choices)();
  }
}

/** Does it in the draft of a change. */
export function apply(draft, { action, path, value, from, count }) {
  const holder = path.slice(0, -1).reduce((inner, segment) => inner[segment], draft);
  const last = path.at(-1);
  if (action === "set") holder[last] = value;
  else if (action === "delete" && Array.isArray(holder)) holder.splice(last, 1);
  else if (action === "delete") delete holder[last];
  else if (action === "insert") holder[last].splice(from, 0, value);
  else if (action === "increment") holder[last].increment(value);
  else Automerge.splice(draft, path, from, count, value);
}

/** The same as a JSON operation. */
export function operation({ action, path, value }, device, number) {
  const timestamp = new Date(1_800_000_000_000 + 1000 * number).toISOString();
  return { op: action, path: pointer(path), ...(action !== "delete" && { value }), actor_id: device, timestamp };
}

/** In words. */
export function told({ action, path, value, from, count }) {
  const written = Automerge.isCounter(value) ? `Counter(${value.value})` : value;
  return `${action} ${pointer(path)} ${JSON.stringify({ value: written, from, count })}`;
}
