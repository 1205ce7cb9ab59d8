// Uploads a file as evidence with tus-js-client, the official JavaScript client of tus.
//
//   FIREMODE_BASE_URL=… ACCESS_TOKEN=… node upload.mjs FILE SESSION_ID [CHUNK_BYTES]
//
// A line `chunk <offset>` for each chunk that was acknowledged, then one of JSON: evidence_id and receipt.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

import * as tus from "tus-js-client";

const [file, sessionId, chunkBytes] = process.argv.slice(2);
const content = readFileSync(file);
const told = {};

const upload = new tus.Upload(content, {
  endpoint: `${process.env.FIREMODE_BASE_URL}/v1/evidence/uploads`,
  headers: { Authorization: `Bearer ${process.env.ACCESS_TOKEN}` },
  metadata: {
    sha256_hash: createHash("sha256").update(content).digest("hex"),
    session_id: sessionId,
    evidence_type: "photo",
    metadata: JSON.stringify({ device: "tus-js-client" }),
    filename: file.split("/").at(-1),
  },
  chunkSize: chunkBytes ? Number(chunkBytes) : Infinity,
  // An appliance that restarts is back after a second or two; a bad link takes longer.
  retryDelays: Array.from({ length: 60 }, () => 500),
  onChunkComplete: (_, offset) => console.log(`chunk ${offset}`),
  onAfterResponse: (_, response) => {
    told.evidence_id ??= response.getHeader("Evidence-Id") ?? undefined;
    told.receipt ??= response.getHeader("Evidence-Receipt") ?? undefined;
  },
  onError: (error) => {
    console.error(String(error));
    process.exit(1);
  },
  onSuccess: () => console.log(JSON.stringify(told)),
});
upload.start();
