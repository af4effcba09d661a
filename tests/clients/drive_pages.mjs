// The stock React pagination hook over a list that others change, and a server that restarts.
//
// One writer changes the list, one change after another, and knows every state that it was in.
// Whatever the hook shows must be the beginning of one of these states; and all of the last one
// when everything has been loaded.

import assert from "node:assert/strict";
import { createElement as h, useLayoutEffect } from "react";
import { create } from "react-test-renderer";
import { ConvexHttpClient } from "convex/browser";
import { ConvexProvider, ConvexReactClient, usePaginatedQuery } from "convex/react";
import { makeFunctionReference as ref } from "convex/server";
import { WebSocket } from "ws";
import { Recording, Stage } from "./stage.mjs";

const FIRST = 4;

class Random {
  constructor(seed) {
    this.state = seed;
  }

  below(n) {
    this.state = (Math.imul(this.state, 1664525) + 1013904223) >>> 0;
    return Math.floor((this.state / 2 ** 32) * n);
  }
}

/** The list as its only writer knows it: lines by rank, and by age where ranks are equal. */
class Writer {
  states = [""];
  lines = [];

  constructor(url, topic, random) {
    Object.assign(this, { client: new ConvexHttpClient(url), topic, random });
  }

  async change() {
    const dice = this.random.below(10);
    const rank = this.random.below(30);
    const line = this.lines[this.random.below(this.lines.length)];
    if (dice < 6 || line === undefined) {
      const id = await this.client.mutation(ref("lines:add"), { topic: this.topic, rank });
      this.lines.push({ id, rank });
    } else if (dice < 8) {
      await this.client.mutation(ref("lines:remove"), { line: line.id });
      this.lines.splice(this.lines.indexOf(line), 1);
    } else {
      await this.client.mutation(ref("lines:move"), { line: line.id, rank });
      line.rank = rank;
    }
    this.states.push(this.text);
  }

  get text() {
    const sorted = [...this.lines].sort((a, b) => a.rank - b.rank || (a.id < b.id ? -1 : 1));
    return sorted.map((line) => `${line.id} `).join("");
  }
}

function Pages({ topic, recording }) {
  const shown = usePaginatedQuery(ref("lines:page"), { topic }, { initialNumItems: FIRST });
  useLayoutEffect(() => {
    recording.loadMore = shown.loadMore;
    recording.saw({ status: shown.status, text: shown.results.map((l) => `${l._id} `).join("") });
  }, [shown.results, shown.status]);
  return null;
}

const stage = new Stage();
const random = new Random(7);
const writer = new Writer(stage.url, `topic ${stage.run}`, random);
const client = new ConvexReactClient(stage.url, {
  webSocketConstructor: WebSocket,
  unsavedChangesWarning: false,
});
const recording = new Recording();
const pages = h(Pages, { topic: writer.topic, recording });
const root = create(h(ConvexProvider, { client }, pages));

await recording.until(({ status }) => status === "Exhausted", "an empty list");
for (let number = 0; number < stage.changes; number += 1) {
  await writer.change();
  if (random.below(4) === 0) recording.loadMore(1 + random.below(6));
}
stage.passed("changed while it is shown");

const restarting = stage.ask("restart");
await restarting;
for (let number = 0; number < 5; number += 1) await writer.change();
while (recording.last.status !== "Exhausted") {
  recording.loadMore(10);
  await recording.until(({ status }) => !status.startsWith("Loading"), "the next page");
}
await recording.until(({ text }) => text === writer.text, "the whole list as it is");
stage.passed("shown whole after a restart");

for (const { text, status } of recording.values) {
  if (status === "LoadingFirstPage") continue;
  const matches = writer.states.some((state) => state.startsWith(text));
  assert.ok(matches, `no state of the list begins with what was shown: ${text}`);
}
stage.passed("never anything but the beginning of the list");
stage.result({ shown: recording.values.length, lines: writer.lines.length });
root.unmount();
await client.close();
process.exit(0);
