// Pages of a list, beside 100 writers who add to it all the time: every row of before is there once, and none twice.
import { fetched, organisation } from "./client.mjs";

const ROWS = 200;
const WRITERS = 100;
const WALKS = 3;
const LIMIT = 20;

export async function pagesBesideWriters() {
  const { token } = await organisation("Pages");
  const add = (name) => fetched("POST", "/v1/buildings", { token, body: { site_name: name, site_address: "1 Quay Street" } });
  const before = await Promise.all(Array.from({ length: ROWS }, (_, number) => add(`Before ${number}`)));
  let isOver = false;
  let written = 0;
  async function write(writer) {
    for (let number = 0; !isOver; number += 1) {
      await add(`Beside ${writer} ${number}`);
      written += 1;
    }
  }
  const writers = Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)));
  let rows = 0;
  try {
    for (let walk = 0; walk < WALKS; walk += 1) rows += await check(token, before);
  } finally {
    isOver = true;
  }
  await writers;
  if (written < WRITERS) throw new Error(`only ${written} rows were written meanwhile`);
  return `${rows} rows in ${WALKS} walks, while ${written} were written`;
}

async function check(token, before) {
  const seen = [];
  for (let cursor = ""; cursor !== null; ) {
    const query = cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    const page = await fetched("GET", `/v1/buildings?limit=${LIMIT}${query}`, { token });
    seen.push(...page.data.map((row) => row.id));
    cursor = page.next_cursor;
  }
  const once = new Set(seen);
  if (once.size !== seen.length) throw new Error(`${seen.length - once.size} rows came twice`);
  const missing = before.filter((row) => !once.has(row.id)).length;
  if (missing > 0) throw new Error(`${missing} of ${before.length} rows were missing`);
  return seen.length;
}
