// The changes of one session as changes of another one with the same items: they build on its first change instead.
import Automerge from "./automerge.mjs";
import { check } from "./plain.mjs";

/** Gives the changes but the first, dependencies first, and the heads that they lead to. */
export function translated(document, otherFirst) {
  const [first, ...changes] = Automerge.getAllChanges(document).map(Automerge.decodeChange);
  const other = Automerge.decodeChange(otherFirst);
  check(first.deps.length === 0 && first.ops.length === other.ops.length, "two sessions of one building begin the same");
  const hashes = new Map([[first.hash, other.hash]]);
  const id = (text) => text?.replace(`@${first.actor}`, `@${other.actor}`);
  const moved = (op) => ({
    ...op,
    obj: id(op.obj),
    pred: op.pred.map(id),
    ...(op.elemId !== undefined && { elemId: id(op.elemId) }),
  });
  const bytes = changes.map((change) => {
    const deps = change.deps.map((hash) => hashes.get(hash));
    const encoded = Automerge.encodeChange({ ...change, deps, ops: change.ops.map(moved) });
    hashes.set(change.hash, Automerge.decodeChange(encoded).hash);
    return encoded;
  });
  return { changes: bytes, heads: Automerge.getHeads(document).map((hash) => hashes.get(hash)) };
}
