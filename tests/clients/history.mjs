// What clients did and saw, on one clock, a JSON object a line: for tests/proof/histories.

import { closeSync, openSync, writeSync } from "node:fs";
import { makeFunctionReference as ref } from "convex/server";

const EPOCHS = 4; // lists of one time, which are read and written together

/** Seconds of the clock that the other programs of this machine have, too. */
export const now = () => Number(process.hrtime.bigint()) / 1e9;

export class History {
  constructor(path) {
    this.file = openSync(path, "w");
    this.lines = [];
  }

  add(line) {
    this.lines.push(JSON.stringify(line));
    if (this.lines.length > 500) this.flush();
  }

  flush() {
    if (this.lines.length) writeSync(this.file, this.lines.join("\n") + "\n");
    this.lines = [];
  }

  close() {
    this.flush();
    closeSync(this.file);
  }
}

/** The lists and registers of a time: others come when enough was written to these. */
export function keysOf(epoch) {
  const lists = Array.from({ length: EPOCHS }, (_, n) => `list ${epoch}.${n}`);
  return { lists, registers: [`register ${epoch}.0`, `register ${epoch}.1`] };
}

/** Draw the steps of a transaction; what it writes has the name of the transaction in it. */
export function drawSteps(random, epoch, name) {
  const { lists, registers } = keysOf(epoch);
  const steps = [];
  for (let number = 0; number <= random.below(4); number += 1) {
    const dice = random.below(10);
    const value = `${name}.${number}`;
    if (dice < 4) steps.push({ do: "append", key: pick(random, lists), value });
    else if (dice < 7) steps.push({ do: "read", key: pick(random, lists) });
    else if (dice < 9) steps.push({ do: "swap", key: pick(random, registers), value });
    else steps.push({ do: "get", key: pick(random, registers) });
  }
  if (random.below(25) === 0) steps.push({ do: "refuse", key: "" });
  return steps;
}

export function readingSteps(epoch) {
  const { lists, registers } = keysOf(epoch);
  const reads = lists.map((key) => ({ do: "read", key }));
  return [...reads, ...registers.map((key) => ({ do: "get", key }))];
}

const pick = (random, from) => from[random.below(from.length)];

/** Writes down what the live queries of one client show, at each of its transitions. */
export class Observer {
  #shown = new Map();
  #subscriptions = [];

  constructor(client, session, history) {
    Object.assign(this, { client, session, history, count: 0 });
    client.client.addOnTransitionHandler(() => this.#look());
  }

  watch(epoch) {
    const { lists, registers } = keysOf(epoch);
    for (const unsubscribe of this.#subscriptions) unsubscribe();
    this.#shown = new Map();
    this.queries = [
      ...lists.map((key) => ({ path: "lists:elements", key })),
      ...registers.map((key) => ({ path: "lists:held", key })),
    ];
    this.#subscriptions = this.queries.map(({ path, key }) =>
      this.client.onUpdate(ref(path), { key }, () => {}));
  }

  /** Put down what changed since the last look; all queries are of one moment. */
  #look() {
    if (this.queries === undefined) return;
    const at = now();
    const values = this.queries.map(({ path, key }) =>
      this.client.client.localQueryResult(path, { key }));
    if (values.some((value) => value === undefined)) return;
    const keys = {};
    let changed = this.#shown.size === 0;
    for (const [n, { key }] of this.queries.entries()) {
      const value = Array.isArray(values[n]) ? values[n].filter(isReal) : values[n];
      keys[key] = delta(this.#shown.get(key), value);
      changed ||= keys[key] !== "same";
      this.#shown.set(key, value);
    }
    if (!changed) return;
    this.count += 1;
    this.history.add({ session: this.session, live: true, at: [at, at], keys });
  }
}

/** Whether an element is the server's, and not one that an optimistic update has put there. */
export const isReal = (element) => !element.endsWith("#?");

function delta(before, value) {
  if (!Array.isArray(value)) return before === value && before !== undefined ? "same" : { value };
  if (before === undefined) return { elements: value };
  if (before.every((element, n) => value[n] === element)) {
    return before.length === value.length ? "same" : { more: value.slice(before.length) };
  }
  return { elements: value };
}
