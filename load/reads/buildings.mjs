// Makes so many buildings through the public API. URL, TOKEN, COUNT.
import { randomUUID } from "node:crypto";

const { URL: base, TOKEN, COUNT } = process.env;
const AT_ONCE = 8;
let made = 0;

async function make() {
  while (made < COUNT) {
    made += 1;
    const answer = await fetch(`${base}/v1/buildings`, {
      method: "POST", body: JSON.stringify({ site_name: "Harbour House", site_address: `1 Quay Street, building ${made}` }),
      headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json", "idempotency-key": randomUUID() },
    });
    if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  }
}

await Promise.all(Array.from({ length: AT_ONCE }, make));
