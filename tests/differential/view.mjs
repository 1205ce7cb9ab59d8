// The JSON that FireMode shows, beside the same document in the library.
import { isDeepStrictEqual } from "node:util";
import Automerge from "./automerge.mjs";
import { at, check, hasIdsAsKeys, isMap, plain, pointer, rank, usual } from "./plain.mjs";

/** Checks what a session shows against the library's document, and against the oracle of its changes. */
export function checkView({ document, conflicts }, library, oracle) {
  new Comparison(document, conflicts).map(library, document, []);
  checkConflicts(document, conflicts);
  checkNothingHidden(document, conflicts, oracle);
}

/** Each value that nobody who had seen it removed is shown; of outcomes the most careful. */
function checkNothingHidden(document, conflicts, oracle) {
  const shown = JSON.stringify({ document, conflicts });
  for (const { needle, parts } of oracle.required()) {
    const found = typeof needle === "string" ? shown.includes(needle) : needle.test(shown);
    check(found, `${needle} is hidden, which was written at ${pointer(parts[0].path)}`);
  }
  for (const { id, outcome } of oracle.requiredOutcomes()) {
    const item = document.items[id];
    check(rank(item?.outcome) >= rank(outcome), `/items/${id} shows ${item?.outcome}, and ${outcome} is safer`);
    const told = JSON.stringify([item, conflicts.filter(({ path }) => `${path}/`.startsWith(`/items/${id}/`))]);
    check(typeof outcome !== "string" || told.includes(JSON.stringify(outcome)), `/items/${id} hides the outcome ${outcome}`);
  }
}

/** What needs review says what the document shows. */
function checkConflicts(document, conflicts) {
  for (const { path, winner, needs_review } of conflicts) {
    if (needs_review) check(isDeepStrictEqual(at(document, path), winner), `${path} does not show the winner of its conflict`);
  }
}

class Comparison {
  constructor(document, conflicts) {
    this.document = document;
    this.conflicts = conflicts;
  }

  /** A map of the library and what is shown of it: the same, but for conflicts and for what is united. */
  map(map, shown, path) {
    const spelled = (key) => (hasIdsAsKeys(path) ? usual(key) : key);
    const keys = Object.keys(map);
    for (const key of new Set([...keys.map(spelled), ...Object.keys(shown)])) {
      const spellings = keys.filter((other) => spelled(other) === key);
      // What the library has under several spellings of one id is one place here, which the oracle judges.
      if (spellings.length > 1) continue;
      const sides = spellings.length === 1 ? this.#sides(map, spellings[0]) : [];
      const place = [...path, key];
      this.#allTold(sides, place);
      this.#place(map[spellings[0]], sides, shown[key], place);
    }
  }

  #list(list, shown, path) {
    const inside = this.#told(pointer(path), true).filter((conflict) => conflict.path !== pointer(path));
    // An element that was deleted beside an edit is shown in its old place.
    const isShifted = inside.some(({ values }) => values.some(({ deleted }) => deleted));
    list.forEach((value, index) => {
      const sides = this.#sides(list, index);
      this.#allTold(sides, path);
      if (!isShifted) this.#place(value, sides, shown[index], [...path, index]);
    });
    const isWhole = isShifted || list.length === shown.length;
    check(isWhole, `${pointer(path)}: the library has ${list.length} elements, shown are ${shown.length}`);
  }

  #place(value, sides, shown, path) {
    const here = this.conflicts.filter((conflict) => conflict.path === pointer(path));
    if (here.length > 0) return this.#preferred(value, shown, here, path);
    if (sides.length > 1 && isUnion(value, path)) return;
    if (isMap(value) && isMap(shown)) this.map(value, shown, path);
    else if (Array.isArray(value) && Array.isArray(shown)) this.#list(value, shown, path);
    else this.#same(value, shown, path);
  }

  /** Where there is nothing to review, what is shown of several simple values is what the library prefers. */
  #preferred(value, shown, conflicts, path) {
    const isSimple = value === null || typeof plain(value) !== "object";
    // A collection is shown beside what else was put there.
    if (!isSimple || value === undefined || isUnion(shown, path)) return;
    if (conflicts.some((conflict) => conflict.needs_review)) return;
    this.#same(value, shown, path);
  }

  #same(value, shown, path) {
    const [ours, theirs] = [plain(value), shown];
    const isSame = isDeepStrictEqual(ours, theirs);
    check(isSame, `${pointer(path)}: the library has ${JSON.stringify(ours)}, shown is ${JSON.stringify(theirs)}`);
  }

  /** All values of a place in the library. */
  #sides(holder, key) {
    return Object.values(Automerge.getConflicts(holder, key) ?? { only: holder[key] });
  }

  /** All of several values are shown at the place, in its conflicts, or in those inside or around it. */
  #allTold(sides, path) {
    if (sides.length < 2) return;
    const here = pointer(path);
    const told = JSON.stringify([at(this.document, here), this.#told(here, false)]);
    for (const leaf of sides.flatMap((side) => leaves(plain(side)))) {
      check(told.includes(JSON.stringify(leaf)), `${here}: ${JSON.stringify(leaf)} of a conflict in the library is not listed`);
    }
  }

  /** The conflicts at and inside a path, or around it too. */
  #told(path, isInside) {
    const begins = (one, other) => `${other}/`.startsWith(`${one}/`);
    return this.conflicts.filter((conflict) => begins(path, conflict.path) || (!isInside && begins(conflict.path, path)));
  }
}

/** What devices made apart is united here: collections and lists of an item. */
function isUnion(value, path) {
  const isOfItem = path[0] === "items" && path.length === 3;
  return isOfItem && (Array.isArray(value) || path[2] === "evidence" || path[2] === "measurements");
}

function leaves(json) {
  return json !== null && typeof json === "object" ? Object.values(json).flatMap(leaves) : [json];
}
