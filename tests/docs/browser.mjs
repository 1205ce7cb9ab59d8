// Runs docs/examples/browser.mjs against a server: tokens that end, a network that is away, an answer that is lost, a request that is refused.
//
//   FIREMODE_BASE_URL=… node browser.mjs
import assert from "node:assert/strict";

import { FireModeClient, Refused } from "../../docs/examples/browser.mjs";

const kept = new Map();
const storage = {
  getItem: (name) => kept.get(name) ?? null,
  setItem: (name, value) => kept.set(name, value),
  removeItem: (name) => kept.delete(name),
};
const sent = [];
let isOnline = true;
let losesAnswers = 0;

/** The network, with a plug that can be pulled. */
async function network(url, options) {
  if (!isOnline) throw new TypeError("Failed to fetch");
  sent.push(`${options.method} ${new URL(url).pathname}`);
  const response = await fetch(url, options);
  if (losesAnswers-- > 0) throw new TypeError("Failed to fetch");
  return response;
}

const pause = async () => {};
const newClient = () => new FireModeClient(process.env.FIREMODE_BASE_URL, { storage, fetch: network, pause });
const client = newClient();
await assert.rejects(client.signIn("demo@firemode.example", "not the password of the demo"), Refused);
const user = await client.signIn("demo@firemode.example", "a demo of FireMode");
assert.equal((await client.get("/v1/users/me")).id, user.id);

// A token that is not good any more is renewed, once for all that wait for it.
const tokens = JSON.parse(kept.get("firemode.tokens"));
kept.set("firemode.tokens", JSON.stringify({ ...tokens, access: `${tokens.access}x` }));
sent.length = 0;
await Promise.all([client.get("/v1/users/me"), client.get("/v1/users/me"), client.get("/v1/buildings")]);
assert.equal(sent.filter((request) => request === "POST /v1/auth/refresh").length, 1);

// What is queued without a network waits, outlives the page, and happens once although the answer is lost.
const name = `Wharf House ${crypto.randomUUID()}`;
const building = { site_name: name, site_address: "7 Wharf Road, Newcastle NSW 2300" };
isOnline = false;
assert.deepEqual(await client.queue("POST", "/v1/buildings", building), []);
assert.deepEqual(await client.queue("POST", "/v1/buildings", { ...building, colour: "red" }), []);
assert.equal(client.waiting().length, 2);
isOnline = true;
losesAnswers = 1;
const later = newClient();
const answers = await later.flush();
assert.deepEqual(answers.map((answer) => answer.site_name), [name]);
assert.equal(later.waiting().length, 0);
const [refused] = later.refused();
assert.equal(refused.problem.errors[0].field, "colour");
const { data } = await later.get(`/v1/audit?action=building.create&limit=10`);
assert.equal(data.filter((row) => row.resource.id === answers[0].id).length, 1);

await later.signOut();
await assert.rejects(later.get("/v1/users/me"), (error) => error.status === 401);
console.log("the client of docs/examples/browser.mjs works");
