// One scenario for every JavaScript client: what a user of the product lives through.
//
// A client takes part through an adapter (`Ui`):
//   watch(path, args) → Recording          only where `live`
//   query, mutate, action (path, args)     → promise; mutate takes an optimistic update where `live`
//   signIn(token), signOut()               → promise
//   close()

import assert from "node:assert/strict";
import { ConvexHttpClient } from "convex/browser";
import { makeFunctionReference as ref } from "convex/server";
import { ConvexError } from "convex/values";
import { loseNextAnswer } from "./lossy_socket.mjs";
import { sleep, subjectOf } from "./stage.mjs";

const BURST = 10;
const bodies = (messages) => messages.map((message) => message.body);

export async function play(ui, stage) {
  const cast = {
    ui,
    stage,
    other: new ConvexHttpClient(stage.url),
    channel: `channel ${stage.run}`,
    counter: `counter ${stage.run}`,
    sent: [],
    counted: 0,
  };
  if (ui.live) await subscribe(cast);
  await updatedByAnother(cast);
  if (ui.live) await optimisticCounter(cast);
  if (ui.live) await optimisticMessages(cast);
  await errorWithData(cast);
  await badRequests(cast);
  await action(cast);
  await files(cast);
  await signInAndOut(cast);
  if (ui.live) await answerIsLost(cast);
  await serverGoes(cast, "restart");
  await serverGoes(cast, "kill");
  await nothingLostOrDoubled(cast);
  await ui.close();
}

async function subscribe(cast) {
  const { ui, stage, channel, counter } = cast;
  cast.messages = ui.watch("messages:list", { channel });
  cast.count = ui.watch("counters:get", { name: counter });
  assert.deepEqual(await cast.messages.until(() => true, "a first result"), []);
  assert.equal(await cast.count.until(() => true, "a first count"), 0);
  stage.passed("subscribe");
}

async function updatedByAnother(cast) {
  const { ui, stage, other, channel, sent, messages } = cast;
  await other.mutation(ref("messages:send"), { channel, body: "from another" });
  sent.push("from another");
  if (ui.live) await messages.until((shown) => shown.length === 1, "the other's message");
  assert.deepEqual(bodies(await ui.query("messages:list", { channel })), sent);
  stage.passed("be updated by another client");
}

async function optimisticCounter(cast) {
  const { ui, stage, counter, count } = cast;
  const answers = range(BURST).map(() => increment(ui, counter));
  await count.until((shown) => shown === BURST, "all increments at once");
  assert.deepEqual(await Promise.all(answers), range(BURST).map((n) => n + 1));
  cast.counted = BURST;
  await settled(ui);
  assert.equal(count.last, BURST);
  neverGoesBack(count.values);
  stage.passed("optimistic update of a counter without flicker");
}

async function optimisticMessages(cast) {
  const { ui, stage, other, channel, messages, sent } = cast;
  const mine = range(BURST).map((n) => `mine ${n}`);
  const theirs = range(BURST).map((n) => `theirs ${n}`);
  const from = messages.values.length - 1;
  await Promise.all([
    ...mine.map((body) => sendOptimistically(ui, channel, body)),
    ...theirs.map((body) => other.mutation(ref("messages:send"), { channel, body })),
  ]);
  const all = [...sent, ...mine, ...theirs];
  const shown = await messages.until((list) => list.length === all.length, "all messages");
  assert.deepEqual(new Set(bodies(shown)), new Set(all));
  assert.deepEqual(bodies(shown).filter((body) => mine.includes(body)), mine, "my order");
  noMessageComesAndGoes(messages.values.slice(from));
  sent.splice(0, sent.length, ...bodies(shown));
  stage.passed("optimistic update of a list without flicker");
}

async function errorWithData(cast) {
  const { ui, stage, other, channel, counter, counted } = cast;
  const plusOne = ui.live ? addOne(counter) : undefined;
  const refused = await failure(ui.mutate("counters:refuse", { name: counter }, plusOne));
  assert.deepEqual(refused.data, {
    code: "CONFLICT", message: "not today", details: { stands: counted + 1 },
  });
  const failed = await failure(ui.mutate("messages:fail", { channel, reason: "no" }));
  assert.deepEqual(failed.data, { code: "CONFLICT", message: "no", details: { channel } });
  const inAction = await failure(ui.action("messages:failAction", { reason: "never" }));
  assert.deepEqual(inAction.data, { code: "CONFLICT", message: "never", details: {} });
  for (const error of [refused, failed, inAction]) assert.ok(error instanceof ConvexError);
  assert.equal(await ui.query("counters:get", { name: counter }), counted);
  assert.deepEqual(bodies(await ui.query("messages:list", { channel })), cast.sent);
  stage.passed("error with data");
  if (!ui.live) return;

  const quiet = `${channel}, failing`;
  const failing = ui.watch("messages:failQuery", { channel: quiet });
  assert.equal(await failing.until(() => true, "the query before it fails"), null);
  await other.mutation(ref("messages:send"), { channel: quiet, body: "now fail" });
  const error = await failing.untilFailed();
  assert.ok(error instanceof ConvexError);
  assert.deepEqual(error.data.details, { channel: quiet });
  stage.passed("error with data in a live query");
}

async function badRequests({ ui, stage, channel }) {
  const unknown = await failure(ui.mutate("messages:nothing", {}));
  assert.match(unknown.message, /Could not find public function for 'messages:nothing'/);
  const wrong = await failure(ui.mutate("messages:send", { channel, body: 7 }));
  assert.match(wrong.message, /ArgumentValidationError/);
  assert.match(wrong.message, /\.body/);
  for (const error of [unknown, wrong]) {
    assert.ok(!(error instanceof ConvexError));
    assert.doesNotMatch(error.message, /Traceback|\.py"/);
  }
  stage.passed("bad requests are refused by name");
}

async function action({ ui, stage, channel, sent, messages }) {
  const held = await ui.action("messages:shout", { channel, body: "loud" });
  sent.push("LOUD");
  assert.equal(held, sent.length);
  if (ui.live) await messages.until((shown) => shown.length === sent.length, "the shout");
  assert.deepEqual(bodies(await ui.query("messages:list", { channel })), sent);
  stage.passed("action");
}

// As in Convex's documentation: a URL from a mutation, a POST, an id to keep, a URL to show.
async function files({ ui, stage }) {
  const body = new Blob(["the content"], { type: "text/x-own" });
  const url = await ui.mutate("files:uploadUrl", {});
  const posted = await fetch(url, { method: "POST", body });
  assert.equal(posted.status, 200);
  const { storageId: file } = await posted.json();
  const album = `album ${stage.run}`;
  await ui.mutate("files:add", { album, file });
  const [shown] = await ui.query("files:show", { album });
  assert.equal(shown.file, file);
  const served = await fetch(shown.url);
  assert.equal(served.headers.get("content-type"), "text/x-own");
  assert.equal(await served.text(), "the content");
  const part = await fetch(shown.url, { headers: { Range: "bytes=4-" } });
  assert.deepEqual([part.status, await part.text()], [206, "content"]);
  const live = ui.live ? ui.watch("files:show", { album }) : undefined;
  await ui.mutate("files:remove", { file });
  if (ui.live) await live.until(([picture]) => picture.url === null, "the file to be gone");
  assert.deepEqual(await ui.query("files:show", { album }), [{ file, url: null }]);
  assert.equal((await fetch(shown.url)).status, 404);
  stage.passed("upload, show and delete a file");
}

async function signInAndOut({ ui, stage, channel, sent }) {
  const who = ui.live ? ui.watch("messages:whoami", {}) : undefined;
  const expectToBe = async (subject) => {
    if (ui.live) await who.until((shown) => shown === subject, `to be ${subject}`);
    assert.equal(await ui.query("messages:whoami", {}), subject);
    const body = `said by ${subject}, ${sent.length}`;
    await ui.mutate("messages:send", { channel, body });
    sent.push(body);
    const said = (await ui.query("messages:list", { channel })).at(-1);
    assert.deepEqual([said.body, said.author], [body, subject]);
  };
  await expectToBe(null);
  for (const token of Object.values(stage.tokens)) {
    await ui.signIn(token);
    await expectToBe(subjectOf(token));
  }
  await ui.signOut();
  await expectToBe(null);
  stage.passed("sign in and out");
}

// The mutation was done, the client does not know, and sends it again on its next connection.
async function answerIsLost(cast) {
  const { ui, stage, counter, count } = cast;
  await settled(ui);
  loseNextAnswer();
  assert.equal(await increment(ui, counter), cast.counted + 1, "the first answer, again");
  cast.counted += 1;
  assert.equal(await increment(ui, counter), cast.counted + 1, "done once");
  cast.counted += 1;
  await count.until((shown) => shown === cast.counted, "the count");
  stage.passed("an answer lost on its way");
}

// While the server goes and comes back, a live client goes on incrementing. A client over
// HTTP cannot know the fate of a request that was cut, so it waits. What is shown meanwhile is
// not judged: on a new connection a client hears of a mutation's effect before its answer.
// `pause_ms` keeps the burst that it then sends again to what the store's emulator can carry: one
// that takes seconds over a frame is slower than AWS is ever expected to be (GAP_SETTLE_MS).
async function serverGoes(cast, wish) {
  const { ui, stage, counter, channel, sent, count } = cast;
  const answers = ui.live ? range(BURST).map(() => increment(ui, counter)) : [];
  let back = false;
  const coming = stage.ask(wish).then(() => (back = true));
  while (!back) {
    if (ui.live) answers.push(increment(ui, counter));
    await sleep(stage.pause_ms);
  }
  await coming;
  answers.push(increment(ui, counter));
  const before = cast.counted;
  assert.deepEqual(
    await Promise.all(answers),
    range(answers.length).map((n) => before + n + 1),
    `every increment once, in order, over the ${wish}`,
  );
  cast.counted += answers.length;
  await ui.mutate("messages:send", { channel, body: `after ${wish}` });
  sent.push(`after ${wish}`);
  if (ui.live) {
    await count.until((shown) => shown === cast.counted, "the count after all of it");
    await cast.messages.until((shown) => shown.length === sent.length, "the message after it");
  }
  stage.passed(`server ${wish} in the middle`);
}

async function nothingLostOrDoubled(cast) {
  const { stage, channel, counter } = cast;
  const fresh = new ConvexHttpClient(stage.url);
  assert.equal(await fresh.query(ref("counters:get"), { name: counter }), cast.counted);
  const list = await fresh.query(ref("messages:list"), { channel });
  assert.deepEqual(bodies(list), cast.sent);
  stage.passed("no mutation lost or doubled");
}

function increment(ui, counter) {
  return ui.mutate("counters:increment", { name: counter }, ui.live ? addOne(counter) : undefined);
}

function addOne(name) {
  return (store) => {
    const shown = store.getQuery(ref("counters:get"), { name });
    if (shown !== undefined) store.setQuery(ref("counters:get"), { name }, shown + 1);
  };
}

function sendOptimistically(ui, channel, body) {
  return ui.mutate("messages:send", { channel, body }, (store) => {
    const shown = store.getQuery(ref("messages:list"), { channel });
    const guess = { _id: `guess ${body}`, _creationTime: Date.now(), channel, body, author: null };
    if (shown !== undefined) store.setQuery(ref("messages:list"), { channel }, [...shown, guess]);
  });
}

function neverGoesBack(numbers) {
  for (const [before, after] of pairs(numbers)) {
    assert.ok(before <= after, `flicker: ${before} was followed by ${after} in ${numbers}`);
  }
}

function noMessageComesAndGoes(lists) {
  for (const [before, after] of pairs(lists.map(bodies))) {
    assert.equal(new Set(after).size, after.length, `shown twice: ${after}`);
    for (const body of before) assert.ok(after.includes(body), `flicker: "${body}" went away`);
  }
}

// A round trip over the client's own connection: whatever was under way before it has arrived.
const settled = (ui) => ui.query("messages:whoami", {});

async function failure(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("expected a failure");
}

const range = (n) => [...Array(n).keys()];
const pairs = (list) => list.slice(1).map((after, n) => [list[n], after]);
