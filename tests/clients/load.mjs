// Many clients at once: they count, they move money, and watchers add up what they are shown.
//
// Told by the stage: clients, increments and transfers of each, accounts, balance, watchers,
// and `wish`, what to do to the server in the middle (or null). The result is for the test to
// judge; a call that is never answered keeps this program from ending.

import { ConvexClient } from "convex/browser";
import { makeFunctionReference as ref } from "convex/server";
import { ConvexError } from "convex/values";
import { Stage } from "./stage.mjs";

const stage = new Stage();
const total = stage.accounts * stage.balance;
const watchers = times(stage.watchers, () => new ConvexClient(stage.url));
const clients = times(stage.clients, () => new ConvexClient(stage.url));
const result = {
  acknowledged: 0, moved: 0, refused: 0, snapshots: 0, wrong: [], backwards: [],
  counter: null, sum: null, seconds: null, errors: [],
};

await clients[0].mutation(ref("accounts:open"), { howMany: stage.accounts, balance: stage.balance });
for (const watcher of watchers) watch(watcher);

const started = Date.now();
const work = clients.map((client, n) => Promise.all([count(client), move(client, n)]));
if (stage.wish) await stage.ask(stage.wish);
await Promise.all(work);
result.seconds = (Date.now() - started) / 1000;
result.counter = await clients[0].query(ref("counters:get"), { name: stage.run });
result.sum = await clients[0].query(ref("accounts:sum"), {});
stage.result(result);
process.exit(0);

// The list and the sum are two queries of one client: they must show the same moment.
function watch(client) {
  let last = 0;
  client.onUpdate(ref("accounts:list"), {}, (accounts) => {
    const sum = accounts.reduce((money, account) => money + account.balance, 0);
    result.snapshots += 1;
    if (sum !== total || accounts.length !== stage.accounts) result.wrong.push(sum);
  });
  client.onUpdate(ref("accounts:sum"), {}, (sum) => {
    if (sum !== total) result.wrong.push(sum);
  });
  client.onUpdate(ref("counters:get"), { name: stage.run }, (shown) => {
    if (shown < last) result.backwards.push([last, shown]);
    last = shown;
  });
}

async function count(client) {
  for (const _ of Array(stage.increments)) {
    try {
      await client.mutation(ref("counters:increment"), { name: stage.run });
      result.acknowledged += 1;
    } catch (error) {
      result.errors.push(String(error));
    }
  }
}

async function move(client, n) {
  for (const step of Array(stage.transfers).keys()) {
    // Spread without chance, so that a run can be repeated: neighbours in stride 7 and 13.
    const source = (n * 7 + step * 13) % stage.accounts;
    const target = (source + 1 + ((n + step) % (stage.accounts - 1))) % stage.accounts;
    try {
      await client.mutation(ref("accounts:transfer"), { source, target, amount: 1 + (step % 5) });
      result.moved += 1;
    } catch (error) {
      if (error instanceof ConvexError) result.refused += 1;
      else result.errors.push(String(error));
    }
  }
}

function times(n, make) {
  return Array.from({ length: n }, make);
}
