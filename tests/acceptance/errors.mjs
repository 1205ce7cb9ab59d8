// Every refusal has the same form (RFC 9457), on every route of the OpenAPI document, whatever it is refused for.
import { randomUUID } from "node:crypto";

import { fetched, organisation, send } from "./client.mjs";

const METHODS = ["get", "post", "put", "patch", "delete"];
const TEXTS = ["type", "title", "detail", "instance", "transaction_id", "error_code", "message"];
// What would end the token that the other requests need.
const LEFT_OUT = /^\/v1\/auth\/(logout|revoke-all)$/;

export async function errorFormOnEveryRoute() {
  const document = await fetched("GET", "/openapi.json");
  const { token } = await organisation("Errors");
  let refusals = 0;
  for (const [path, operations] of Object.entries(document.paths)) {
    const address = path.replace(/\{[^}]+\}/g, () => randomUUID());
    for (const method of METHODS.filter((name) => operations[name])) {
      for (const options of attempts(path, operations[method], token)) {
        refusals += check(await send(method.toUpperCase(), address, options), `${method} ${path}`);
      }
    }
    refusals += check(await send("TRACE", address, { token }), `trace ${path}`);
  }
  refusals += check(await send("GET", `/v1/${randomUUID()}`, { token }), "no such route");
  if (refusals < Object.keys(document.paths).length) throw new Error(`only ${refusals} refusals`);
  return `${refusals} refusals on ${Object.keys(document.paths).length} routes`;
}

/** Without a token, with one that is none, and what is wrong in other ways. */
function attempts(path, operation, token) {
  const wrong = [{ text: "{" }, { body: { [randomUUID()]: 1 } }, { text: "x", headers: { "content-type": "text/plain" } }];
  const bodies = operation.requestBody && !LEFT_OUT.test(path) ? wrong.map((body) => ({ ...body, token })) : [];
  const bare = operation.requestBody || LEFT_OUT.test(path) ? [] : [{ token }];
  return [{}, { token: "no.token.atall" }, ...bare, ...bodies];
}

/** 1 for a refusal in the right form, 0 for what is none. */
function check({ status, type, json, headers }, where) {
  if (status < 400) return 0;
  const faults = [];
  if (!type.startsWith("application/problem+json")) faults.push(`is ${type || "nothing"}`);
  for (const name of TEXTS) if (typeof json?.[name] !== "string") faults.push(`has no ${name}`);
  if (json?.status !== status) faults.push(`says ${json?.status}`);
  if (typeof json?.retryable !== "boolean") faults.push("does not say whether to try again");
  if (json?.transaction_id !== headers["x-transaction-id"]) faults.push("has another transaction id than its header");
  if (status >= 500 && status !== 503 && status !== 501) faults.push("is a failure of the server");
  if (faults.length > 0) throw new Error(`${where}: ${status} ${faults.join(", ")}`);
  return 1;
}
