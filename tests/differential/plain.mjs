// Values of the library as the JSON that FireMode shows, and small tools for JSON.
import Automerge from "./automerge.mjs";

/** Outcomes, the most careful last. */
export const OUTCOMES = ["pass", "not_applicable", "not_tested", "fail"];

/** How careful an outcome is; what is none is shown as `not_tested`. */
export function rank(outcome) {
  return OUTCOMES.includes(outcome) ? OUTCOMES.indexOf(outcome) : OUTCOMES.indexOf("not_tested");
}

/** True for maps, and for no other object of the library. */
export function isMap(value) {
  return value !== null && typeof value === "object" && Object.getPrototypeOf(value) === Object.prototype;
}

/** The same value as JSON. */
export function plain(value) {
  if (Automerge.isImmutableString(value)) return value.toString();
  if (Automerge.isCounter(value)) return value.value;
  if (value instanceof Date) return value.toISOString().replace(".000Z", "Z");
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}

/** The path as a JSON Pointer. */
export function pointer(path) {
  return path.map((segment) => `/${String(segment).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

/** What JSON holds at a JSON Pointer; undefined where nothing is. */
export function at(json, path) {
  const segments = path.split("/").slice(1).map((segment) => segment.replaceAll("~1", "/").replaceAll("~0", "~"));
  return segments.reduce((inner, segment) => inner?.[segment], json);
}

/** An id as FireMode spells it. */
export const usual = (id) => (/^[0-9a-f-]{36}$/i.test(id) ? id.toLowerCase() : id);

/** True for `/items` and an item's `evidence`, whose keys are ids. */
export function hasIdsAsKeys(path) {
  return path[0] === "items" && (path.length === 1 || (path.length === 3 && path[2] === "evidence"));
}

/** Ends a history with what is wrong. */
export function check(condition, message) {
  if (!condition) throw new Error(message);
}
