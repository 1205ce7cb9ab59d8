// The session that is tested: requests to it, and what must hold after each of them and in the end.
import { isDeepStrictEqual } from "node:util";
import Automerge from "./automerge.mjs";
import { Oracle } from "./oracle.mjs";
import { check } from "./plain.mjs";
import { translated } from "./replay.mjs";
import { checkView } from "./view.mjs";

export const hashOf = (change) => Automerge.decodeChange(change).hash;
export const base64 = (bytes) => Buffer.from(bytes).toString("base64");
const sorted = (list) => [...list].sort();

export class TestedSession {
  /** The library's changes that were acknowledged, by hash. */
  acknowledged = new Map();
  /** The operations that were. */
  operations = [];
  /** What the server showed at first and after each request that it took. */
  past = [];

  static async open(server, log) {
    const session = new TestedSession();
    Object.assign(session, { server, log, id: await server.openSession() });
    await session.#read();
    session.past.push(session.shown);
    return session;
  }

  /** Sends entries. Operations may name what does not exist at their point; nothing else may be refused. */
  async send(body, { changes, operations = [] }) {
    const { status, answer } = await this.server.send(this.id, body);
    if (status === 422 && answer.errors?.every(({ field }) => isOfOperation(body, field))) {
      this.log(`    refused: ${answer.errors.map(({ field, message }) => `${field} ${message}`).join("; ")}`);
      await this.#checkUnchanged();
      return;
    }
    check(status === 200, `results: ${status} ${JSON.stringify(answer)}`);
    changes.forEach((change) => this.acknowledged.set(hashOf(change), change));
    this.operations.push(...operations);
    await this.#checkAnswer(answer, changes.length + operations.length);
    this.past.push(this.shown);
  }

  /** Sends what must be refused, with this code. */
  async refuses(changes, code) {
    const { status, answer } = await this.server.send(this.id, { changes });
    check(status === 422 && answer.error_code === code, `not ${code}: ${status} ${JSON.stringify(answer)}`);
    await this.#checkUnchanged();
  }

  async #checkAnswer(answer, entries) {
    const { accepted, duplicates, held } = answer;
    const isSum = accepted + duplicates + held.length === entries;
    check(isSum, `of ${entries} entries ${accepted} were accepted, ${duplicates} duplicates and ${held.length} held`);
    await this.#read();
    check(isDeepStrictEqual(sorted(answer.heads), sorted(this.shown.heads)), "the answer has other heads than the session");
    const isTold = (conflict) => this.shown.conflicts.some((other) => isDeepStrictEqual(conflict, other));
    const untold = answer.conflicts.find((conflict) => !isTold(conflict));
    check(untold === undefined, `the answer has a conflict that the session has not: ${JSON.stringify(untold)}`);
    this.#checkHeads();
  }

  /** The server's document is what the library makes of everything that was acknowledged. */
  #checkHeads() {
    const heads = sorted(Automerge.getHeads(this.document));
    check(isDeepStrictEqual(heads, sorted(this.shown.heads)), "the bundle has other heads than the session");
    const [merged] = Automerge.applyChanges(Automerge.clone(this.document), [...this.acknowledged.values()]);
    check(isDeepStrictEqual(heads, sorted(Automerge.getHeads(merged))), "the library has other heads");
    const waiting = [...this.acknowledged.keys()].filter((hash) => !Automerge.hasHeads(this.document, [hash]));
    const held = this.shown.held.map(({ hash }) => hash);
    check(isDeepStrictEqual(sorted(waiting), sorted(held)), "other changes are held than those that wait");
  }

  async #checkUnchanged() {
    const before = this.shown;
    await this.#read();
    const parts = ["heads", "document", "conflicts", "held"];
    const isSame = parts.every((part) => isDeepStrictEqual(before[part], this.shown[part]));
    check(isSame, "a request that was refused changed something");
  }

  async #read() {
    this.shown = await this.server.session(this.id);
    this.document = Automerge.load(await this.server.document(this.id));
  }

  /** Checks what is shown when everything was sent. */
  async checkEnd(random) {
    check(this.shown.held.length === 0, "something is held though everything was sent");
    const changes = Automerge.getAllChanges(this.document);
    const oracle = new Oracle(changes.map(Automerge.decodeChange));
    this.#checkOperationsKept(oracle);
    checkView(this.shown, this.document, oracle);
    const [rebuilt] = Automerge.applyChanges(Automerge.init(), random.shuffled(changes));
    const heads = sorted(Automerge.getHeads(rebuilt));
    check(isDeepStrictEqual(heads, sorted(this.shown.heads)), "a copy in another order has other heads");
    checkView(this.shown, rebuilt, oracle);
    await this.#checkOtherOrder(random);
  }

  /** Each value that an operation brought is in a change. */
  #checkOperationsKept(oracle) {
    const written = new Set(oracle.values.map(({ needle }) => needle));
    for (const { value } of this.operations) {
      const lost = (JSON.stringify(value ?? null).match(/<\d+>/g) ?? []).find((mark) => !written.has(mark));
      check(lost === undefined, `the operation that wrote ${lost} was acknowledged and is in no change`);
    }
  }

  /** The same changes in another order in another session come to the same. */
  async #checkOtherOrder(random) {
    const id = await this.server.openSession();
    const [first] = Automerge.getAllChanges(Automerge.load(await this.server.document(id)));
    const { changes, heads } = translated(this.document, first);
    const left = random.shuffled(changes);
    while (left.length > 0) {
      const some = left.splice(0, 1 + random.below(5));
      const { status, answer } = await this.server.send(id, { changes: some.map(base64) });
      check(status === 200, `the same changes in another order: ${status} ${JSON.stringify(answer)}`);
    }
    const other = await this.server.session(id);
    check(isDeepStrictEqual(sorted(other.heads), sorted(heads)), "another order has other heads");
    check(isDeepStrictEqual(other.document, this.shown.document), "another order shows another document");
    check(isDeepStrictEqual(nameless(other.conflicts), nameless(this.shown.conflicts)), "another order has other conflicts");
  }
}

/** Conflicts without who wrote what when: in the other session the library wrote what operations did in this one. */
function nameless(conflicts) {
  const what = ({ value, deleted }) => ({ value, deleted });
  return conflicts.map((conflict) => ({ ...conflict, values: conflict.values.map(what) }));
}

/** True where a fault that is reported lies in an operation's path. */
function isOfOperation(body, field) {
  const index = Number(/^changes\[(\d+)\]\.path$/.exec(field)?.[1]);
  return typeof body.changes?.[index] === "object";
}
