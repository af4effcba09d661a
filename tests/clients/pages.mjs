// A list that one writer changes, and the stock pagination hook that shows it.
//
// The writer makes one change after another, and knows every state that the list was in.
// Whatever the hook shows must be the beginning of one of these states.

import { createElement as h, useLayoutEffect } from "react";
import { create } from "react-test-renderer";
import { ConvexProvider, usePaginatedQuery } from "convex/react";
import { makeFunctionReference as ref } from "convex/server";
import { Recording, sleep } from "./stage.mjs";

const FIRST = 4;

export class Random {
  constructor(seed) {
    this.state = seed;
  }

  below(n) {
    this.state = (Math.imul(this.state, 1664525) + 1013904223) >>> 0;
    return Math.floor((this.state / 2 ** 32) * n);
  }
}

/** The list as its only writer knows it: lines by rank, and by age where ranks are equal. */
export class Writer {
  states = [""];
  lines = [];

  constructor(client, topic, random) {
    Object.assign(this, { client, topic, random });
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

/** Show a list through the hook; what it shows is recorded. */
export function showPages(client, topic) {
  const recording = new Recording();
  const root = create(h(ConvexProvider, { client }, h(Pages, { topic, recording })));
  return { recording, root };
}

/** Load page after page, until the hook says that there are no more. */
export async function loadAll(recording) {
  while (recording.last.status !== "Exhausted") {
    recording.loadMore(10);
    // The hook asks once for each time it is drawn, and is drawn again only when others have their
    // turn: without a pause a second call would change nothing, and this go round for ever.
    await sleep(10);
    await recording.until(({ status }) => !status.startsWith("Loading"), "the next page");
  }
}

/** What was shown and is not the beginning of any state of the list. */
export function inconsistent(recording, writer) {
  const told = recording.values.filter(({ status }) => status !== "LoadingFirstPage");
  const texts = [...new Set(told.map(({ text }) => text))];
  return texts.filter((text) => !writer.states.some((state) => state.startsWith(text)));
}
