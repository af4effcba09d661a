// The stock React pagination hook over a list that others change, and a server that restarts.
//
// All of the last state is shown when everything has been loaded.

import assert from "node:assert/strict";
import { ConvexHttpClient } from "convex/browser";
import { ConvexReactClient } from "convex/react";
import { WebSocket } from "ws";
import { Random, Writer, inconsistent, loadAll, showPages } from "./pages.mjs";
import { Stage } from "./stage.mjs";

const stage = new Stage();
const random = new Random(7);
const writer = new Writer(new ConvexHttpClient(stage.url), `topic ${stage.run}`, random);
const client = new ConvexReactClient(stage.url, {
  webSocketConstructor: WebSocket,
  unsavedChangesWarning: false,
});
const { recording, root } = showPages(client, writer.topic);

await recording.until(({ status }) => status === "Exhausted", "an empty list");
for (let number = 0; number < stage.changes; number += 1) {
  await writer.change();
  if (random.below(4) === 0) recording.loadMore(1 + random.below(6));
}
stage.passed("changed while it is shown");

await stage.ask("restart");
for (let number = 0; number < 5; number += 1) await writer.change();
await loadAll(recording);
await recording.until(({ text }) => text === writer.text, "the whole list as it is");
stage.passed("shown whole after a restart");

for (const text of inconsistent(recording, writer)) {
  assert.fail(`no state of the list begins with what was shown: ${text}`);
}
stage.passed("never anything but the beginning of the list");
stage.result({ shown: recording.values.length, lines: writer.lines.length });
root.unmount();
await client.close();
process.exit(0);
