// Two releases together on one database, under load: `node upgrade.mjs BEFORE AFTER [SECONDS]` with two executables.
//
// Two appliances of the release before serve; an appliance of the release after starts beside them and migrates. Ends with 1 where a
// request failed, at any of them, or where something acknowledged is not there in the end.

import { spawn } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

const READY_SECONDS_MAX = 120;
const WORKERS = 6;
const SECRETS = {
    JWT_SECRET_KEY: "jwt_secret_key",
    INTERNAL_JWT_SECRET_KEY: "internal_jwt_secret_key",
    PII_ENCRYPTION_KEY: "pii_encryption_key",
    RECEIPT_SIGNING_KEY: "receipt_signing_key",
};

const [before, after, seconds = "20"] = process.argv.slice(2);
const pause = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds));
const appliances = [];

/** One appliance in a folder of its own, once it is ready. */
async function start(name, executable, settings) {
    // Not under /tmp, which may be memory. The database's unprivileged user has to reach it.
    const folder = mkdtempSync("/var/tmp/firemode-upgrade.");
    chmodSync(folder, 0o755);
    const { PATH, HOME } = process.env;
    const env = { PATH, HOME, FIREMODE_DATA_DIR: folder, FIREMODE__LOG__FORMAT: "json", PORT: "0", INGEST_PORT: "0", ...settings };
    const child = spawn(executable, [], { env, stdio: ["ignore", "pipe", "ignore"] });
    const appliance = { name, folder, child, base: undefined, tally: {} };
    appliances.push(appliance);
    let log = "";
    child.stdout.on("data", chunk => {
        log += chunk;
        const line = log.split("\n").find(line => line.includes('"listening"') && line.includes('"child":"api"'));
        appliance.base ??= line && `http://127.0.0.1:${JSON.parse(line).address.split(":").at(-1)}`;
        log = log.slice(-100_000);
    });
    for (let tries = 0; tries < READY_SECONDS_MAX * 10; tries++) {
        if (appliance.base && (await fetch(`${appliance.base}/health/ready`).catch(() => ({}))).ok) return appliance;
        await pause(100);
    }
    throw new Error(`${name} does not become ready: ${log.slice(-3_000)}`);
}

async function stop({ child, folder }) {
    const ended = new Promise(resolve => child.exitCode === null ? child.once("exit", resolve) : resolve());
    child.kill("SIGTERM");
    await ended;
    rmSync(folder, { recursive: true, force: true });
}

let token;

/** Asks and counts the answer. What is not a success is a failure: nothing that is sent here is to be refused. */
async function ask(appliance, method, path, body) {
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json", "idempotency-key": crypto.randomUUID() };
    let status;
    try {
        const answer = await fetch(appliance.base + path, { method, headers, body: body && JSON.stringify(body) });
        status = answer.status;
        const json = await answer.json();
        if (answer.ok) return json;
        appliance.problem ??= JSON.stringify(json);
    } catch (error) {
        status = String(error.cause ?? error);
    } finally {
        appliance.tally[status] = (appliance.tally[status] ?? 0) + 1;
    }
    return undefined;
}

/** What a device and an office do, one after the other, at whichever appliance is next. */
async function work(number, site, until, acknowledged) {
    for (let round = 0; Date.now() < until; round++) {
        const serving = appliances.filter(appliance => appliance.isServing);
        const appliance = serving[(number + round) % serving.length];
        const remark = `${number}.${round}`;
        const operation = { op: "append", path: `/items/${site.item}/remarks`, value: remark, actor_id: `tablet-${number}`, timestamp: new Date().toISOString() };
        if (await ask(appliance, "POST", `/v1/tests/sessions/${site.session}/results`, { changes: [operation] })) acknowledged.push(remark);
        const building = await ask(appliance, "POST", "/v1/buildings", { site_name: "House", site_address: crypto.randomUUID() });
        if (building) await ask(appliance, "PATCH", `/v1/buildings/${building.id}`, { site_name: "House again" });
        await ask(appliance, "GET", "/v1/buildings?limit=5");
        await ask(appliance, "GET", "/v1/tests/sessions/changes?since=now");
        await ask(appliance, "GET", `/v1/tests/sessions/${site.session}`);
        await ask(appliance, "POST", `/v1/tests/sessions/${site.session}/items`, { label: `Hydrant ${remark}` });
    }
}

async function main() {
    const first = await start("before, 1", before, {});
    const secrets = Object.entries(SECRETS).map(([variable, file]) => [variable, join(first.folder, "secrets", file)]);
    const shared = Object.fromEntries(secrets.filter(([, file]) => existsSync(file)).map(([variable, file]) => [variable, readFileSync(file, "utf8").trim()]));
    const socket = encodeURIComponent(join(first.folder, "postgres", "socket"));
    shared.DATABASE_URL = `postgresql://firemode@${socket}:5432/firemode`;
    const second = await start("before, 2", before, shared);

    const account = { organisation_name: "Upgrade", email: "u@example.com", password: "lantern gravel teapot orbit", full_name: "U" };
    const registered = await fetch(`${first.base}/v1/auth/register`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(account) });
    token = (await registered.json()).access_token;
    const building = await ask(first, "POST", "/v1/buildings", { site_name: "A", site_address: "B" });
    const session = await ask(first, "POST", "/v1/tests/sessions", { building_id: building.id });
    const items = await ask(first, "POST", `/v1/tests/sessions/${session.id}/items`, { label: "Door 1", data: {} });
    const site = { session: session.id, item: items.items[0].id };
    const list = { op: "set", path: `/items/${site.item}/remarks`, value: [], actor_id: "office", timestamp: new Date().toISOString() };
    await ask(first, "POST", `/v1/tests/sessions/${site.session}/results`, { changes: [list] });

    first.isServing = second.isServing = true;
    const acknowledged = [];
    const until = Date.now() + Number(seconds) * 1000;
    const working = Promise.all(Array.from({ length: WORKERS }, (_, number) => work(number, site, until, acknowledged)));
    await pause(Number(seconds) * 250);
    const third = await start("after", after, shared);
    third.isServing = true;
    await working;

    const seen = await ask(third, "GET", `/v1/tests/sessions/${site.session}`);
    const remarks = new Set(seen.document.items[site.item].remarks);
    const lost = acknowledged.filter(remark => !remarks.has(remark));
    let failed = 0;
    for (const { name, tally, problem } of appliances) {
        console.log(`${name}: ${JSON.stringify(tally)}${problem ? `, first: ${problem}` : ""}`);
        failed += Object.entries(tally).filter(([status]) => !status.startsWith("2")).reduce((sum, [, count]) => sum + count, 0);
    }
    console.log(`${acknowledged.length} results acknowledged, ${lost.length} lost; ${failed} requests failed`);
    return failed + lost.length > 0 ? 1 : 0;
}

let code = 2;
try {
    code = await main();
} catch (error) {
    console.error(error);
} finally {
    for (const appliance of appliances.reverse()) await stop(appliance);
}
process.exit(code);
