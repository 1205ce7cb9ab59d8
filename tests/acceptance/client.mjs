// A client that says how large an answer was on the wire, and waits for as many answers at once as it is asked for.
import { randomUUID } from "node:crypto";
import { Agent, request } from "node:http";

export const base = process.env.FIREMODE_BASE_URL ?? "http://127.0.0.1:8080";
const agent = new Agent({ keepAlive: true, maxSockets: Infinity });

/** Sends one request; status, headers, bytes on the wire, and the body: parsed where it is JSON. */
export function send(method, path, { token, body, text, headers = {} } = {}) {
  const content = text ?? (body === undefined ? undefined : JSON.stringify(body));
  const all = { ...headers };
  if (content !== undefined) all["content-type"] ??= "application/json";
  if (token) all.authorization = `Bearer ${token}`;
  if (method === "POST") all["idempotency-key"] ??= randomUUID();
  return new Promise((resolve, reject) => {
    const outgoing = request(`${base}${path}`, { method, headers: all, agent }, (answer) => {
      const chunks = [];
      answer.on("data", (chunk) => chunks.push(chunk));
      answer.on("error", reject);
      answer.on("end", () => resolve(read(answer, Buffer.concat(chunks))));
    });
    outgoing.on("error", reject);
    outgoing.end(content);
  });
}

function read(answer, wire) {
  const type = answer.headers["content-type"] ?? "";
  const isPlain = !answer.headers["content-encoding"];
  const json = isPlain && type.includes("json") ? JSON.parse(wire) : null;
  return { status: answer.statusCode, headers: answer.headers, type, wire, json };
}

/** The JSON of an answer that has to be a success. */
export async function fetched(method, path, options) {
  const answer = await send(method, path, options);
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.wire}`);
  return answer.json;
}

/** A new organisation: the token of its admin, with a building and a session in it. */
export async function organisation(name) {
  const id = randomUUID();
  const account = { organisation_name: `${name} ${id}`, email: `${id}@example.com`, password: randomUUID(), full_name: "Ada Example" };
  const token = (await fetched("POST", "/v1/auth/register", { body: account })).access_token;
  const building = (await fetched("POST", "/v1/buildings", { token, body: { site_name: "Harbour House", site_address: "1 Quay Street" } })).id;
  const session = (await fetched("POST", "/v1/tests/sessions", { token, body: { building_id: building } })).id;
  return { token, building, session };
}

export const closeAll = () => agent.destroy();
