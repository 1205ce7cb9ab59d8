// Small readers for the shell: JSON answers, hashes, a photograph. The Automerge side is in device.mjs.
import { createHash, createPublicKey, randomBytes, randomUUID, verify } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";

// A grey disc of 16 by 16 pixels, baseline JPEG.
const PHOTO =
  "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABsSFBcUERsXFhceHBsgKEIrKCUlKFE6PTBCYFVlZF9VXVtqeJmBanGQc1tdhbWGkJ6jq62rZ4C8" +
  "ybqmx5moq6T/wAALCAAQABABAREA/8QAFgABAQEAAAAAAAAAAAAAAAAAAAID/8QAIhAAAQMDBAMBAAAAAAAAAAAAAQIDBAAFERMhMTISFCJR" +
  "/9oACAEBAAA/AECF7JKlkpbG23JNXOt4jt6jSiUDsFciltmojgtu7IJz5fhrS4T23WtJn6CuysYxX//Z";

const readJson = (file) => JSON.parse(readFileSync(file, "utf8"));

/** The value at a JSON Pointer (RFC 6901), or undefined. */
function at(value, pointer) {
  const keys = pointer.split("/").slice(1).map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
  return keys.reduce((inner, key) => inner?.[key], value);
}

function present(file, pointer) {
  const value = at(readJson(file), pointer);
  if (value === undefined) throw new Error(`the answer has no ${pointer}`);
  return value;
}

const asText = (value) => (typeof value === "string" ? value : JSON.stringify(value));

/** The photograph with a comment segment of its own after the start marker, so that each is a new file. */
function photo() {
  const jpeg = Buffer.from(PHOTO, "base64");
  const comment = Buffer.from(`walk-through ${randomBytes(16).toString("hex")}`);
  const head = Buffer.from([0xff, 0xfe, 0, comment.length + 2]);
  return Buffer.concat([jpeg.subarray(0, 2), head, comment, jpeg.subarray(2)]);
}

function conflict(file, path) {
  const found = readJson(file).conflicts.filter((entry) => entry.path === path);
  if (found.length !== 1) throw new Error(`${found.length} conflicts at ${path}, expected 1`);
  const [{ winner, values, needs_review }] = found;
  const sides = values.map(({ value }) => asText(value)).sort();
  return `winner=${asText(winner)} values=${sides.join(",")} needs_review=${needs_review}`;
}

/** What FireMode signed for, as JSON: the answer's receipt, checked against the published keys as any JOSE library would. */
function receipt(answerFile, keysFile) {
  const [header, claims, signature] = present(answerFile, "/receipt").split(".");
  const { alg, kid } = JSON.parse(Buffer.from(header, "base64url"));
  const jwk = readJson(keysFile).keys.find((key) => key.kid === kid);
  if (alg !== "EdDSA" || jwk === undefined) throw new Error(`the receipt is not signed with a published key: ${alg} ${kid}`);
  const key = createPublicKey({ key: jwk, format: "jwk" });
  if (!verify(null, Buffer.from(`${header}.${claims}`), key, Buffer.from(signature, "base64url"))) {
    throw new Error("the receipt's signature is not valid");
  }
  return Buffer.from(claims, "base64url").toString();
}

const commands = {
  /** get FILE POINTER: a text bare, anything else as JSON. */
  get: (file, pointer) => asText(present(file, pointer)),
  /** count FILE POINTER: how many; a number counts as itself. */
  count: (file, pointer) => {
    const value = present(file, pointer);
    return typeof value === "number" ? value : Object.keys(value).length;
  },
  /** each FILE POINTER FIELD: one line per element, with that field of it. */
  each: (file, pointer, field) => present(file, pointer).map((row) => asText(at(row, `/${field}`))).join("\n"),
  /** where FILE POINTER FIELD=VALUE...: the id of the first element with these values, or nothing. */
  where: (file, pointer, ...pairs) => {
    const wanted = pairs.map((pair) => pair.split("="));
    return present(file, pointer).find((row) => wanted.every(([field, value]) => String(row[field]) === value))?.id ?? "";
  },
  /** conflict FILE PATH: the one conflict that the answer reports there. */
  conflict,
  /** no-conflict FILE PATH: fails if there is one. */
  "no-conflict": (file, path) => {
    if (readJson(file).conflicts.some((entry) => entry.path === path)) throw new Error(`a conflict at ${path} is left`);
    return "none";
  },
  /** cases FILE: item, condition, expected status, expected classification or error code. */
  cases: (file) => {
    const { cases, edges } = readJson(file);
    const good = cases.map((row) => [row.item_code, row.observed_condition, 200, row.classification]);
    const bad = edges.map((row) => [row.item_code, row.observed_condition, row.status, row.error_code]);
    return [...good, ...bad].map((row) => row.join(" ")).join("\n");
  },
  /** receipt ANSWER KEYS: what it says; fails if it is not genuine. */
  receipt,
  sha256: (file) => createHash("sha256").update(readFileSync(file)).digest("hex"),
  photo: (file) => writeFileSync(file, photo()) ?? file,
  uuid: () => randomUUID(),
};

const [name, ...args] = process.argv.slice(2);
try {
  console.log(commands[name](...args));
} catch (error) {
  console.error(`tools.mjs ${name}: ${error.message}`);
  process.exit(1);
}
