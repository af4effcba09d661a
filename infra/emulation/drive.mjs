// A stock client against the emulated deployment; prints what happens, and when.
import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { anyApi as api } from "convex/server";

const { url, token } = JSON.parse(process.argv[2]);
const started = performance.now();
const say = (text) =>
  console.log(`${((performance.now() - started) / 1000).toFixed(2).padStart(7)} s  ${text}`);

const LIMIT_MS = 90_000;
setTimeout(() => {
  say("gave up");
  process.exit(1);
}, LIMIT_MS).unref();

const client = new ConvexClient(url);
client.setAuth(async () => token);

function shown(result) {
  if (Array.isArray(result)) return JSON.stringify(result.map(({ name }) => name));
  return result === null ? "null" : `${result.status}`;
}

// Resolves when a watched result is as wanted.
function until(query, args, wanted, what) {
  return new Promise((resolve) => {
    const stop = client.onUpdate(query, args, (result) => {
      say(`${what}: ${shown(result)}`);
      if (wanted(result)) {
        stop();
        resolve(result);
      }
    });
  });
}

await until(api.workflows.list, {}, (list) => list.length === 0, "watches workflows:list");
const seen = until(api.workflows.list, {}, (list) => list.length === 1, "is told live");
const http = new ConvexHttpClient(url);
http.setAuth(token);
const workflow = await http.mutation(api.workflows.create, { name: "Shoreline" });
say(`another client made ${workflow} over HTTP`);
await seen;

const execution = await client.mutation(api.executions.start, { workflowId: workflow });
say(`started ${execution} over its socket`);
const ended = until(
  api.executions.get,
  { executionId: execution },
  (run) => run.status === "cancelled",
  "watches executions:get",
);
const answer = await fetch(`${url}/api/executions/${execution}/cancel`, {
  method: "POST",
  headers: { Authorization: `Bearer ${token}` },
});
say(`POST /api/executions/…/cancel answered ${answer.status}`);
await ended;
const gone = until(
  api.executions.get,
  { executionId: execution },
  (run) => run === null,
  "watches executions:get",
);
await client.mutation(api.workflows.remove, { workflowId: workflow });
say("removed the workflow; a job of the queue removes what belonged to it");
await gone;
await client.close();
say("done");
process.exit(0);
