// The FireMode that is tested, as a client of its API.
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

const ATTEMPTS_MAX = 20;

export class Server {
  #token;

  constructor(baseUrl) {
    this.baseUrl = baseUrl;
    /** How many requests with results were answered. */
    this.results = 0;
  }

  /** An organisation of its own, with a building of two assets. */
  async settle() {
    const name = `Differential ${randomUUID()}`;
    this.account = { email: `${randomUUID()}@example.com`, password: `differential ${randomUUID()}` };
    await this.#expect(201, "POST", "/v1/auth/register", { organisation_name: name, full_name: "Alex Differ", ...this.account });
    await this.signIn();
    const building = await this.#expect(201, "POST", "/v1/buildings", { site_name: name, site_address: "1 Fork Road, Sydney" });
    const asset = { item_code: "EXT-PRESSURE", section: 10, label: "Extinguisher", location: "Foyer" };
    await this.#expect(207, "POST", `/v1/buildings/${building.id}/assets`, [asset, { ...asset, location: "Roof" }]);
    this.buildingId = building.id;
  }

  /** An access token lives 15 minutes, a history far less. */
  async signIn() {
    this.#token = undefined;
    this.#token = (await this.#expect(200, "POST", "/v1/auth/login", this.account)).access_token;
  }

  async openSession() {
    const { id } = await this.#expect(201, "POST", "/v1/tests/sessions", { building_id: this.buildingId });
    return id;
  }

  session(id) {
    return this.#expect(200, "GET", `/v1/tests/sessions/${id}`);
  }

  /** The Automerge document of a session, as the offline bundle has it. */
  async document(id) {
    const bundle = await this.#expect(200, "GET", `/v1/tests/sessions/${id}/offline_bundle`);
    return new Uint8Array(Buffer.from(bundle.document, "base64"));
  }

  /** Sends results: entries and a vector clock as JSON, or the bytes of changes. Gives the status and the answer. */
  async send(id, body) {
    this.results += 1;
    return this.#request("POST", `/v1/tests/sessions/${id}/results`, body);
  }

  async #expect(expected, method, path, body) {
    const { status, answer } = await this.#request(method, path, body);
    if (status !== expected) throw new Error(`${method} ${path}: ${status} ${JSON.stringify(answer)}`);
    return answer;
  }

  async #request(method, path, body) {
    const isBinary = body instanceof Uint8Array;
    const headers = {
      "Content-Type": isBinary ? "application/vnd.automerge" : "application/json",
      ...(this.#token && { Authorization: `Bearer ${this.#token}` }),
      ...(method === "POST" && { "Idempotency-Key": randomUUID() }),
    };
    const request = { method, headers, body: body === undefined || isBinary ? body : JSON.stringify(body) };
    for (let attempt = 1; ; attempt++) {
      const response = await fetch(this.baseUrl + path, request);
      if (response.status !== 429 || attempt === ATTEMPTS_MAX) return { status: response.status, answer: await response.json() };
      await sleep(1000 * Number(response.headers.get("Retry-After") ?? 1));
    }
  }
}
