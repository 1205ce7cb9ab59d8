// A client of FireMode for pages in a browser, without dependencies: it signs in, renews tokens, keeps what is to be sent until it has
// been sent, and tries again what is worth it. Copy it, and change what you need; docs/api.md says what the server promises.
//
//   const client = new FireModeClient("https://firemode.example.com");
//   await client.signIn(email, password);
//   const session = await client.get(`/v1/tests/sessions/${id}`);
//   await client.queue("POST", `/v1/tests/sessions/${id}/results`, { changes, vector_clock });
//   addEventListener("online", () => client.flush());

const ATTEMPTS_MAX = 5;
const WAIT_SECONDS_MAX = 60;

/** The server refused a request for good: trying it again as it is does not help. */
export class Refused extends Error {
  constructor(problem, status) {
    super(`${problem.error_code ?? status}: ${problem.message ?? "no answer that can be read"} (${problem.transaction_id})`);
    this.problem = problem;
    this.status = status;
  }
}

export class FireModeClient {
  /**
   * `storage` keeps tokens and the queue: localStorage outlives the page. Scripts in your page can read it, so let no
   * foreign script in; keep it in memory where signing in each time is no burden.
   */
  constructor(baseUrl, { storage = localStorage, fetch = globalThis.fetch.bind(globalThis), pause = sleep } = {}) {
    Object.assign(this, { baseUrl, storage, fetch, pause });
  }

  async signIn(email, password, totp) {
    const { response, answer } = await this.#send("POST", "/v1/auth/login", { body: { email, password, totp } });
    if (!response.ok) throw new Refused(answer, response.status);
    this.#write("tokens", { access: answer.access_token, refresh: answer.refresh_token });
    return answer.user;
  }

  async signOut() {
    const tokens = this.#read("tokens");
    if (tokens) await this.request("POST", "/v1/auth/logout", { refresh_token: tokens.refresh });
    this.storage.removeItem("firemode.tokens");
  }

  get(path) {
    return this.request("GET", path);
  }

  /** Sends a request, and again while that is worth it: under one key, so that it happens once. */
  async request(method, path, body, key = crypto.randomUUID()) {
    for (let attempt = 1; ; attempt++) {
      const token = this.#read("tokens")?.access;
      const sent = await this.#send(method, path, { body, key, token }).catch((error) => ({ error }));
      if (sent.response?.ok) return sent.answer;
      const isLast = attempt === ATTEMPTS_MAX;
      if (sent.response?.status === 401 && !isLast) {
        await this.#renew(token);
      } else if (isLast || (sent.response && !sent.answer.retryable)) {
        throw sent.error ?? new Refused(sent.answer, sent.response.status);
      } else {
        await this.pause(sent.response?.headers.get("Retry-After") ?? 2 ** attempt);
      }
    }
  }

  /** Keeps a request until it has been sent, also when the page is closed, and tries to send it. Requests stay in their order. */
  async queue(method, path, body) {
    this.#write("queue", [...this.waiting(), { method, path, body, key: crypto.randomUUID() }]);
    return this.flush();
  }

  /** What has still to be sent. */
  waiting() {
    return this.#read("queue") ?? [];
  }

  /** What the server refused for good. It is kept: somebody has to look at it. */
  refused() {
    return this.#read("refused") ?? [];
  }

  /** Sends what waits; gives the answers. Without a network what is left waits for the next time. */
  flush() {
    return alone("firemode.flush", async () => {
      const answers = [];
      for (let first = this.waiting()[0]; first; first = this.waiting()[0]) {
        const { method, path, body, key } = first;
        try {
          answers.push(await this.request(method, path, body, key));
        } catch (error) {
          // Signing in again lets the rest go on, and so does the network when it is back.
          if (!(error instanceof Refused) || error.status === 401 || error.problem.retryable) return answers;
          this.#write("refused", [...this.refused(), { ...first, problem: error.problem }]);
        }
        this.#write("queue", this.waiting().slice(1));
      }
      return answers;
    });
  }

  /** Renews the tokens, once for all that wait for it: another page of this origin may have done so already. */
  #renew(usedToken) {
    return alone("firemode.renew", async () => {
      const tokens = this.#read("tokens");
      if (!tokens || tokens.access !== usedToken) return;
      const body = { refresh_token: tokens.refresh };
      const { response, answer } = await this.#send("POST", "/v1/auth/refresh", { body });
      if (response.ok) this.#write("tokens", { access: answer.access_token, refresh: answer.refresh_token });
      else if (!answer.retryable) throw new Refused(answer, response.status);
    });
  }

  async #send(method, path, { body, key, token }) {
    const headers = { Accept: "application/json" };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (token) headers.Authorization = `Bearer ${token}`;
    if (key && method === "POST") headers["Idempotency-Key"] = key;
    const response = await this.fetch(this.baseUrl + path, { method, headers, body: body && JSON.stringify(body) });
    const text = await response.text();
    return { response, answer: text ? JSON.parse(text) : {} };
  }

  #read(name) {
    return JSON.parse(this.storage.getItem(`firemode.${name}`) ?? "null");
  }

  #write(name, value) {
    this.storage.setItem(`firemode.${name}`, JSON.stringify(value));
  }
}

const turns = new Map();

/** Runs work that only one page of this origin may do at a time; where a browser has no locks, only one call of this page. */
function alone(name, work) {
  if (globalThis.navigator?.locks) return navigator.locks.request(name, work);
  const turn = (turns.get(name) ?? Promise.resolve()).then(work, work);
  turns.set(name, turn.catch(() => {}));
  return turn;
}

function sleep(seconds) {
  return new Promise((resolve) => setTimeout(resolve, 1000 * Math.min(Number(seconds) || 1, WAIT_SECONDS_MAX)));
}
