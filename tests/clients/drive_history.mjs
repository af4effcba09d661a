// Stock clients that write and read lists, and put down what they were told.
//
// Told by the stage: url, seed, run, history (a file), ops and how many of them belong to one
// time, sockets, https, observers, changes of a list shown in pages, patience in seconds, and
// wishes to ask for when a part of the work is done. Every promise is waited for: one that is
// neither kept nor broken in time is lost.

import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { ConvexReactClient } from "convex/react";
import { makeFunctionReference as ref } from "convex/server";
import { ConvexError } from "convex/values";
import { WebSocket } from "ws";
import { History, Observer, drawSteps, isReal, now, readingSteps } from "./history.mjs";
import { Random, Writer, inconsistent, loadAll, showPages } from "./pages.mjs";
import { Stage, sleep } from "./stage.mjs";

const TRANSACT = ref("lists:transact");
const LOOK = ref("lists:look");

const stage = new Stage();
const history = new History(stage.history);
const result = {
  mutations: 0, queries: 0, refused: 0, unknown: 0, changes: 0, shown: 0, transitions: 0,
  lost: [], wrong: [], errors: [], inconsistent: [], sockets: 0,
};
let taken = 0;
let working = true;

class CountedSocket extends WebSocket {
  constructor(...args) {
    super(...args);
    result.sockets += 1;
  }
}

const socketOptions = { webSocketConstructor: CountedSocket, unsavedChangesWarning: false };
const epochNow = () => Math.floor(taken / stage.opsOfAnEpoch);

// A promise in time, or the note that it was lost.
async function kept(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Lost(what)), stage.patience * 1000);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

class Lost extends Error {}

// One client after another's fashion: `call` is how it mutates, `ask` how it queries.
class Worker {
  constructor(session, client, number) {
    Object.assign(this, { session, client, random: new Random(stage.seed * 1000 + number) });
  }

  async work() {
    while (taken < stage.ops) {
      const name = `${this.session}.${taken}`;
      taken += 1;
      if (this.random.below(4) === 0) await this.#query(name);
      else await this.#mutate(name);
    }
  }

  async #mutate(name) {
    const epoch = epochNow();
    const steps = drawSteps(this.random, epoch, name);
    const line = { session: this.session, name, steps, outcome: "unknown", at: [now(), null] };
    result.mutations += 1;
    try {
      line.told = await kept(this.mutate(steps), name);
      line.outcome = "ok";
      line.at[1] = now();
      this.check(steps, line.told);
    } catch (error) {
      await this.#failed(line, error, name);
    }
    history.add(line);
  }

  async #failed(line, error, name) {
    if (error instanceof Lost) result.lost.push(name);
    else if (error instanceof ConvexError && error.data?.message === "taken back") {
      Object.assign(line, { outcome: "failed", at: [line.at[0], now()] });
      result.refused += 1;
    } else await this.broke(error);
  }

  async #query(name) {
    const steps = readingSteps(epochNow());
    const line = { session: this.session, name, steps, outcome: "ok", at: [now(), null] };
    result.queries += 1;
    try {
      line.told = await kept(this.client.query(LOOK, { steps, nonce: name }), name);
      line.at[1] = now();
      history.add(line);
    } catch (error) {
      if (error instanceof Lost) result.lost.push(name);
      else await this.broke(error);
    }
  }
}

/** Over a socket: every mutation is answered, also if connections and servers die. */
class SocketWorker extends Worker {
  constructor(number) {
    super(`${stage.run}-s${number}`, new ConvexClient(stage.url, socketOptions), number);
    this.observer = new Observer(this.client, this.session, history);
  }

  mutate(steps) {
    if (this.epoch !== epochNow()) this.observer.watch((this.epoch = epochNow()));
    const optimisticUpdate = (store) => {
      for (const { key, value } of steps.filter((step) => step.do === "append")) {
        const shown = store.getQuery(ref("lists:elements"), { key });
        if (shown) store.setQuery(ref("lists:elements"), { key }, [...shown, `${value}#?`]);
      }
    };
    return this.client.mutation(TRANSACT, { steps }, { optimisticUpdate });
  }

  // When a promise is kept, what it promised is shown.
  check(steps, told) {
    for (const [n, { do: what, key }] of steps.entries()) {
      const shown = this.client.client.localQueryResult("lists:elements", { key });
      if (what !== "append" || shown === undefined) continue;
      if (!shown.includes(told[n])) result.wrong.push(`${told[n]} is not shown in ${key}`);
      const mine = shown.findIndex((element) => !isReal(element));
      if (mine >= 0 && shown.slice(mine).some(isReal)) result.wrong.push(`${key}: ${shown}`);
    }
  }

  async broke(error) {
    result.errors.push(String(error));
  }
}

/** Over HTTP: a call whose connection dies has an outcome that nobody knows, and says so. */
class HttpWorker extends Worker {
  constructor(number) {
    super(`${stage.run}-h${number}`, new ConvexHttpClient(stage.url, { logger: false }), number);
  }

  mutate(steps) {
    return this.client.mutation(TRANSACT, { steps });
  }

  check() {}

  // A server that is being started refuses at once: asking on would use the operations up.
  async broke() {
    result.unknown += 1;
    await sleep(100);
  }
}

async function observe(observer) {
  for (let epoch = -1; working; await sleep(20)) {
    if (epoch !== epochNow()) observer.watch((epoch = epochNow()));
  }
}

async function showList() {
  const random = new Random(stage.seed);
  const writer = new Writer(new ConvexClient(stage.url, socketOptions), stage.run, random);
  const client = new ConvexReactClient(stage.url, socketOptions);
  const { recording } = showPages(client, writer.topic);
  for (let number = 0; number < stage.changes; number += 1) {
    await kept(writer.change(), `change ${number}`);
    result.changes += 1;
    if (random.below(4) === 0) recording.loadMore?.(1 + random.below(6));
  }
  return async () => {
    await loadAll(recording);
    await recording.until(({ text }) => text === writer.text, "the whole list as it is");
    result.shown = recording.values.length;
    result.inconsistent = inconsistent(recording, writer);
  };
}

async function misbehave() {
  for (const [n, wish] of stage.wishes.entries()) {
    const due = ((n + 1) * stage.ops) / (stage.wishes.length + 1);
    while (taken < due) await sleep(10);
    await stage.ask(wish);
  }
}

const times = (n, make) => Array.from({ length: n }, (_, number) => make(number));
const observers = times(stage.observers, (number) => new Observer(
  new ConvexClient(stage.url, socketOptions), `${stage.run}-o${number}`, history));
const workers = [
  ...times(stage.sockets, (number) => new SocketWorker(number)),
  ...times(stage.https, (number) => new HttpWorker(number + stage.sockets)),
];
const watching = observers.map(observe);
const working_ = workers.map((worker) => worker.work());
const began = now();
const [finishList] = await Promise.all([
  stage.changes ? showList() : null, misbehave(), ...working_,
]).catch((error) => {
  result.errors.push(String(error));
  return [null];
});
await stage.ask("calm");
working = false;
await Promise.all(watching);
try {
  await finishList?.();
} catch (error) {
  result.errors.push(String(error));
}
result.seconds = now() - began;
const all = [...observers, ...workers.map((worker) => worker.observer).filter(Boolean)];
result.transitions = all.reduce((sum, observer) => sum + observer.count, 0);
history.close();
stage.result(result);
process.exit(0);
