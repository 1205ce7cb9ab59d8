// A technician's device: keeps its Automerge document in a file between calls, edits it with the official JavaScript
// library, and hands over the changes that the library makes.
import { readFileSync, writeFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import * as Automerge from "@automerge/automerge";

// Where devices disagree on an outcome, the safe side counts: the last of these.
const OUTCOMES = ["pass", "not_applicable", "not_tested", "fail"];

const readJson = (file) => JSON.parse(readFileSync(file, "utf8"));
const base64 = (bytes) => Buffer.from(bytes).toString("base64");
const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));

function check(condition, message) {
  if (!condition) throw new Error(message);
}

function open(stateFile) {
  const { actor, saved } = readJson(stateFile);
  return Automerge.load(bytes(saved), { actor });
}

function keep(stateFile, document) {
  const state = { actor: Automerge.getActorId(document), saved: base64(Automerge.save(document)) };
  writeFileSync(stateFile, JSON.stringify(state));
}

/** The same value as plain JSON. */
function plain(value) {
  if (Automerge.isImmutableString(value)) return value.toString();
  if (Automerge.isCounter(value)) return value.value;
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== "object" || value instanceof Date || value instanceof Uint8Array) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}

/** The document as the API shows it: as the library gives it, with the safe side of each outcome. */
function safeSide(document) {
  const view = plain(document);
  for (const [id, item] of Object.entries(document.items)) {
    const sides = Object.values(Automerge.getConflicts(item, "outcome") ?? {}).map(plain);
    if (sides.length > 0) {
      view.items[id].outcome = OUTCOMES[Math.max(...sides.map((side) => OUTCOMES.indexOf(side)))];
    }
  }
  return view;
}

/** A copy made from the changes alone, handed over in the opposite order. */
function rebuilt(document) {
  const [copy] = Automerge.applyChanges(Automerge.init(), Automerge.getAllChanges(document).reverse());
  return copy;
}

const sortedHeads = (document) => [...Automerge.getHeads(document)].sort();

/** Names the first place where two JSON values differ. */
function difference(ours, theirs, path = "") {
  if (isDeepStrictEqual(ours, theirs)) return null;
  const isObject = (value) => value !== null && typeof value === "object";
  if (!isObject(ours) || !isObject(theirs)) {
    return `${path || "/"}: the library has ${JSON.stringify(ours)}, the answer ${JSON.stringify(theirs)}`;
  }
  const keys = new Set([...Object.keys(ours), ...Object.keys(theirs)]);
  const differing = [...keys].map((key) => difference(ours[key], theirs[key], `${path}/${key}`));
  return differing.find((found) => found !== null) ?? null;
}

const commands = {
  /** deletable RECEIPT CHANGE...: how many of these changes need not be kept: those that the receipt names, whatever became of them. */
  deletable(receiptFile, ...changes) {
    const receipt = readJson(receiptFile);
    const stored = ["accepted", "held", "late", "quarantined"].flatMap((standing) => receipt[standing] ?? []);
    return changes.filter((change) => stored.includes(Automerge.decodeChange(bytes(change)).hash)).length;
  },

  /** start STATE BUNDLE ITEM...: takes the bundle's document and actor; every item must be in it. Prints their number. */
  start(stateFile, bundleFile, ...items) {
    const { actor_id, document } = readJson(bundleFile);
    const loaded = Automerge.load(bytes(document), { actor: actor_id });
    const missing = items.filter((id) => loaded.items?.[id] === undefined);
    check(missing.length === 0, `the bundle's document lacks the items ${missing.join(", ")}`);
    keep(stateFile, loaded);
    return Object.keys(loaded.items).length;
  },

  /** set STATE ITEM FIELD JSON: one edit. Prints its change in base64. */
  set(stateFile, item, field, value) {
    const edited = Automerge.change(open(stateFile), (draft) => {
      draft.items[item][field] = JSON.parse(value);
    });
    keep(stateFile, edited);
    return base64(Automerge.getLastLocalChange(edited));
  },

  /** merge STATE BUNDLE: what the device learns when it is back on the network. Prints its number of changes. */
  merge(stateFile, bundleFile) {
    const merged = Automerge.merge(open(stateFile), Automerge.load(bytes(readJson(bundleFile).document)));
    keep(stateFile, merged);
    return Automerge.getAllChanges(merged).length;
  },

  /** compare SESSION BUNDLE STATE...: the server's document has every device's changes, and shows what the library shows. */
  compare(sessionFile, bundleFile, ...stateFiles) {
    const session = readJson(sessionFile);
    const server = Automerge.load(bytes(readJson(bundleFile).document));
    for (const stateFile of stateFiles) {
      check(Automerge.hasHeads(server, Automerge.getHeads(open(stateFile))), `a change of ${stateFile} is lost`);
    }
    const copy = rebuilt(server);
    const heads = sortedHeads(copy);
    check(isDeepStrictEqual(heads, [...session.heads].sort()), "the heads differ from those of the session");
    const found = difference(safeSide(copy), session.document);
    check(found === null, `the documents differ at ${found}`);
    return `${Automerge.getAllChanges(copy).length} changes, ${heads.length} heads, equal JSON`;
  },
};

const [name, ...args] = process.argv.slice(2);
try {
  console.log(commands[name](...args));
} catch (error) {
  console.error(`device.mjs ${name}: ${error.message}`);
  process.exit(1);
}
