// The stage a client is driven on: where its server is, how it reports, what it may ask for.
//
// One JSON object a line. On stdout: {"passed": step}, {"ask": wish}, {"result": …}. On stdin:
// the answer to a wish. Everything else, the clients' own logging included, goes to stderr.

import { createInterface } from "node:readline";

export const PATIENCE_MS = 60_000;

console.log = console.info = console.debug = (...parts) => console.error(...parts);

export class Stage {
  constructor() {
    Object.assign(this, JSON.parse(process.argv[2])); // url, run, tokens, …
    this.answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  }

  passed(step) {
    this.#say({ passed: step });
  }

  result(result) {
    this.#say({ result });
  }

  /** Have something done to the server ("restart", "kill"), and wait until it is ready again. */
  async ask(wish) {
    this.#say({ ask: wish });
    const { done } = await this.answers.next();
    if (done) throw new Error(`nobody answered the wish "${wish}"`);
  }

  #say(message) {
    process.stdout.write(JSON.stringify(message) + "\n");
  }
}

/** Everything that one place of a user interface showed, in order. */
export class Recording {
  values = [];
  errors = [];
  #waiting = new Set();

  saw(value) {
    this.values.push(value);
    this.#wake();
  }

  failed(error) {
    this.errors.push(error);
    this.#wake();
  }

  get last() {
    return this.values.at(-1);
  }

  /** Wait until what is shown satisfies `holds`; throw with all that was shown if it never does. */
  until(holds, what) {
    return new Promise((resolve, reject) => {
      const look = () => {
        if (!(this.values.length > 0 && holds(this.last))) return;
        this.#forget(entry);
        resolve(this.last);
      };
      const entry = { look, timer: setTimeout(() => {
        this.#forget(entry);
        reject(new Error(`never saw ${what}; saw ${JSON.stringify(this.values.slice(-5))}`));
      }, PATIENCE_MS) };
      this.#waiting.add(entry);
      look();
    });
  }

  async untilFailed() {
    const end = Date.now() + PATIENCE_MS;
    while (this.errors.length === 0) {
      if (Date.now() > end) throw new Error(`never failed; saw ${JSON.stringify(this.values)}`);
      await sleep(10);
    }
    return this.errors[0];
  }

  #forget(entry) {
    clearTimeout(entry.timer);
    this.#waiting.delete(entry);
  }

  #wake() {
    for (const { look } of [...this.#waiting]) look();
  }
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** The subject of a token, read without checking it. */
export const subjectOf = (token) =>
  JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString()).sub;
