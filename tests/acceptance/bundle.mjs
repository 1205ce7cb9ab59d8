// The offline bundle of a large session, as it goes over the wire.
import { randomBytes } from "node:crypto";
import { gunzipSync } from "node:zlib";

import { fetched, organisation, send } from "./client.mjs";

const ITEMS = 1_000;
const ITEM_BYTES = 1_024;
const ITEMS_PER_REQUEST = 250;
const BUNDLE_BYTES_MAX = 50_000_000;

export async function bundleOfThousandItems() {
  const { token, session } = await organisation("Bundle");
  // Nothing that could be compressed well.
  const note = () => randomBytes((ITEM_BYTES * 3) / 4).toString("base64");
  for (let first = 0; first < ITEMS; first += ITEMS_PER_REQUEST) {
    const items = Array.from({ length: ITEMS_PER_REQUEST }, (_, index) => ({ id: `item-${first + index}`, data: { note: note() } }));
    await fetched("POST", `/v1/tests/sessions/${session}/items`, { token, body: { items } });
  }
  const answer = await send("GET", `/v1/tests/sessions/${session}/offline_bundle`, { token, headers: { "accept-encoding": "gzip" } });
  if (answer.status !== 200) throw new Error(`${answer.status} ${answer.wire}`);
  const bundle = JSON.parse(answer.headers["content-encoding"] === "gzip" ? gunzipSync(answer.wire) : answer.wire);
  const items = Object.keys(bundle.data.items).length;
  if (items !== ITEMS) throw new Error(`${items} of ${ITEMS} items`);
  if (answer.wire.length >= BUNDLE_BYTES_MAX) throw new Error(`${answer.wire.length} bytes`);
  return `${(answer.wire.length / 1e6).toFixed(2)} MB on the wire`;
}
