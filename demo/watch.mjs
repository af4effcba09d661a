// Watches one execution with the stock npm client, and prints its progress as it is told.
//
//   make -s token | node demo/watch.mjs http://127.0.0.1:3210 <execution id>

import { createInterface } from "node:readline";
import { ConvexClient } from "convex/browser";
import { anyApi } from "convex/server";

const BAR = 24;
const FINAL = new Set(["succeeded", "failed", "cancelled"]);

const [url, executionId] = process.argv.slice(2);
const token = (await createInterface({ input: process.stdin })[Symbol.asyncIterator]().next()).value;
const client = new ConvexClient(url);
const started = Date.now();
const shown = new Map();

client.setAuth(async () => token, (accepted) => accepted || end(1, "the token was refused"));
client.onUpdate(anyApi.executions.get, { executionId }, show, (error) => end(1, error.message));

function show(execution) {
  if (execution === null) return; // not signed in yet, so not ours to see
  if (changed("execution", execution.status)) line(`execution ${execution.status}`);
  for (const { nodeId, state, progress } of execution.nodeStates) {
    if (state === "pending") continue;
    const now = `${bar(progress)} ${state}`;
    if (changed(nodeId, now)) line(`${nodeId.padEnd(10)} ${now}`);
  }
  if (FINAL.has(execution.status)) end(execution.status === "succeeded" ? 0 : 1, execution.error);
}

function changed(what, now) {
  const before = shown.get(what);
  shown.set(what, now);
  return before !== now;
}

function bar(progress) {
  const full = Math.round(BAR * progress);
  const percent = String(Math.round(100 * progress)).padStart(3);
  return `${"█".repeat(full)}${"░".repeat(BAR - full)} ${percent} %`;
}

function line(text) {
  const seconds = ((Date.now() - started) / 1000).toFixed(2).padStart(6);
  console.log(`${seconds} s  ${text}`);
}

async function end(code, reason) {
  if (reason) line(reason);
  await client.close();
  process.exit(code);
}
