// Uploads files with tus-js-client in each of the ways that it has, and says what became of them.
//
//   FIREMODE_BASE_URL=… ACCESS_TOKEN=… node tus.mjs ORIGIN SESSION_ID
import { api, open, sha256 } from "./page.mjs";

const [origin, sessionId] = process.argv.slice(2);
open(origin);
const { default: tus } = await import("tus-js-client");

/** Bytes that no other upload has. */
function someBytes(count) {
  const bytes = Buffer.alloc(count, crypto.randomUUID());
  bytes.write("\x89PNG\r\n\x1a\n", "latin1");
  return bytes;
}

/** Uploads bytes; gives the evidence that they have become. */
async function upload(bytes, options, source = new Blob([bytes])) {
  const answered = {};
  const metadata = {
    sha256_hash: await sha256(bytes),
    session_id: sessionId,
    evidence_type: "photo",
    relativePath: "",
    lastModified: 1767225600000,
    ...options.metadata,
  };
  await new Promise((resolve, reject) => {
    const upload = new tus.Upload(source, {
      endpoint: `${process.env.FIREMODE_BASE_URL}/v1/evidence/uploads`,
      headers: { Authorization: `Bearer ${process.env.ACCESS_TOKEN}` },
      onAfterResponse: (_, response) => {
        answered.evidence_id ??= response.getHeader("Evidence-Id") ?? undefined;
      },
      onSuccess: resolve,
      onError: reject,
      ...options,
      metadata,
    });
    upload.start();
  });
  const content = await api(`/v1/evidence/${answered.evidence_id}/content`);
  if (Buffer.compare(Buffer.from(await content.arrayBuffer()), bytes) !== 0) throw new Error("other bytes came back");
  return (await api(`/v1/evidence/${answered.evidence_id}`)).json();
}

/** Bytes that come one piece after the other, with nobody knowing how many there will be. */
function stream(bytes, piece) {
  let at = 0;
  return {
    read: async () => {
      const value = bytes.subarray(at, (at += piece));
      return value.length > 0 ? { value: new Uint8Array(value), done: false } : { done: true };
    },
    cancel: async () => {},
  };
}

const small = someBytes(20_000);
const kept = await upload(small, {});
const overridden = await upload(someBytes(20_000), { overridePatchMethod: true });
const parallel = await upload(someBytes(300_000), { parallelUploads: 3 });
const streamed = someBytes(90_000);
const deferred = await upload(streamed, { uploadLengthDeferred: true, chunkSize: 30_000 }, stream(streamed, 10_000));
console.log(JSON.stringify({ kept, overridden, parallel, deferred }));
process.exit(0);
