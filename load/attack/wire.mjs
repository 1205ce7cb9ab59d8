// Requests and connections as an attacker needs them: raw where a client library would be too polite.

import { randomUUID } from "node:crypto";
import { request } from "node:http";
import { connect } from "node:net";

/** A connection that the server closes is opened again after this time. */
const AGAIN_MILLISECONDS = 1_000;

const BASE = new URL(process.env.FIREMODE_BASE_URL);

/** A request on a connection of its own; status 0 where there is no answer in time. */
export function send(method, path, { token, body, address, seconds = 10 } = {}) {
  return new Promise((resolve) => {
    const began = performance.now();
    const end = (status, text = "", headers = {}) =>
      resolve({ status, headers, milliseconds: performance.now() - began, json: text.startsWith("{") ? JSON.parse(text) : null });
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = { ...(token && { authorization: `Bearer ${token}` }), "idempotency-key": randomUUID() };
    if (text !== undefined) Object.assign(headers, { "content-type": "application/json", "content-length": Buffer.byteLength(text) });
    const options = { method, path, headers, host: BASE.hostname, port: BASE.port, localAddress: address, agent: false };
    const sent = request({ ...options, signal: AbortSignal.timeout(seconds * 1000) }, (answer) => {
      const pieces = [];
      answer.on("data", (piece) => pieces.push(piece));
      answer.on("end", () => end(answer.statusCode, Buffer.concat(pieces).toString(), answer.headers));
      answer.on("error", () => end(0));
    });
    sent.on("error", () => end(0));
    sent.end(text);
  });
}

/** The head of a request whose body is announced. */
export function head(method, path, length, { token, type = "application/json" } = {}) {
  const lines = [`${method} ${path} HTTP/1.1`, "Host: attack", `Content-Type: ${type}`, `Content-Length: ${length}`];
  lines.push(`Idempotency-Key: ${randomUUID()}`, ...(token ? [`Authorization: Bearer ${token}`] : []));
  return `${lines.join("\r\n")}\r\n\r\n`;
}

/**
 * Keeps so many connections open until the signal, and opens another one, a little later, for each that is closed. `begin` writes to a
 * new one, and may give what is to be written each second. Counts what the server says by status.
 */
export function keepOpen(count, signal, begin, { address, answers }) {
  const open = () => {
    if (signal.aborted) return;
    const socket = connect({ host: BASE.hostname, port: BASE.port, localAddress: address });
    let each;
    socket.on("connect", () => {
      const trickle = begin(socket);
      if (trickle) each = setInterval(() => socket.write(trickle), 1_000);
    });
    socket.on("data", (data) => {
      const status = /^HTTP\/1\.1 (\d{3})/.exec(data.toString("latin1"))?.[1];
      if (status) answers[status] = (answers[status] ?? 0) + 1;
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      clearInterval(each);
      setTimeout(open, AGAIN_MILLISECONDS);
    });
    signal.addEventListener("abort", () => socket.destroy());
  };
  for (let number = 0; number < count; number++) open();
}

/** Sends one request after the other on so many connections until the signal. */
export async function hammer(count, signal, next, answers) {
  const one = async () => {
    while (!signal.aborted) {
      const { status } = await next();
      answers[status] = (answers[status] ?? 0) + 1;
      if (status === 0 || status === 429 || status === 503) await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };
  await Promise.all(Array.from({ length: count }, one));
}
