// Uploads a file with Uppy, its settings and its metadata as they come, and says what became of it.
//
//   FIREMODE_BASE_URL=… ACCESS_TOKEN=… node uppy.mjs ORIGIN SESSION_ID
import { api, open, sha256 } from "./page.mjs";

const [origin, sessionId] = process.argv.slice(2);
open(origin);
const { default: Uppy } = await import("@uppy/core");
const { default: Tus } = await import("@uppy/tus");

const bytes = new TextEncoder().encode(`item,reading\n1,${crypto.randomUUID()}\n`.repeat(1000));
const answered = {};
const uppy = new Uppy().use(Tus, {
  endpoint: `${process.env.FIREMODE_BASE_URL}/v1/evidence/uploads`,
  headers: { Authorization: `Bearer ${process.env.ACCESS_TOKEN}` },
  onAfterResponse: (_, response) => {
    answered.evidence_id ??= response.getHeader("Evidence-Id") ?? undefined;
  },
});
uppy.addFile({
  name: "Meßwerte Türen.csv",
  type: "text/csv",
  data: new File([bytes], "Meßwerte Türen.csv", { type: "text/csv" }),
  meta: {
    // As its own dashboard adds it where there is no folder.
    relativePath: null,
    sha256_hash: await sha256(bytes),
    session_id: sessionId,
    evidence_type: "measurement",
  },
});
const { failed } = await uppy.upload();
if (failed.length > 0) throw new Error(failed.map((file) => file.error).join("\n"));

const evidence = await (await api(`/v1/evidence/${answered.evidence_id}`)).json();
const content = await api(`/v1/evidence/${answered.evidence_id}/content`);
const disposition = content.headers.get("Content-Disposition");
console.log(JSON.stringify({ evidence, disposition }));
process.exit(0);
