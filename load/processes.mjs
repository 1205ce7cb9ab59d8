// The processes of a stack, for scripts that measure them.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** The supervisor's children by role: `{api: "123", …}`. */
export function children(supervisor) {
  const { stdout } = spawnSync("pgrep", ["--parent", supervisor, "--list-full"], { encoding: "utf8" });
  const found = stdout.matchAll(/^(\d+) .*firemode.* (api|ingest|worker)$/gm);
  return Object.fromEntries(Array.from(found, ([, pid, role]) => [role, pid]));
}

/** The most memory that a process ever had, in MiB. */
export function peak(pid) {
  const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Math.round(Number(kibibytes) / 1024);
}

/** Starts the API again and waits until the new process serves. */
export async function restartApi(supervisor, binary, base) {
  const before = children(supervisor).api;
  const restarted = spawnSync(binary, ["restart", "api"], { encoding: "utf8" });
  if (restarted.status !== 0) throw new Error(restarted.stderr);
  for (;;) {
    const isNew = children(supervisor).api !== before;
    if (isNew && (await fetch(`${base}/health/ready`).then((it) => it.ok, () => false))) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
