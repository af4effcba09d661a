// Values and validation as the stock JavaScript clients see them, over HTTP and live.

import assert from "node:assert/strict";
import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { makeFunctionReference as ref } from "convex/server";
import { WebSocket } from "ws";
import { Stage } from "./stage.mjs";

const bytes = (...numbers) => new Uint8Array(numbers).buffer;

const VALUES = [
  null,
  true,
  0,
  -0,
  1.5,
  2 ** 53,
  NaN,
  Infinity,
  -Infinity,
  0n,
  2n ** 53n + 1n,
  -(2n ** 63n),
  "",
  "é€😀\u0000",
  bytes(),
  bytes(0, 1, 255),
  [],
  {},
  [[null, { a: [1n, bytes(7)] }]],
  { b: 1, a: { c: -0 } },
];

const SORTED = [null, -1n, 1n, -Infinity, -1.5, -0, 0, 3, NaN, false, true, "a", "é", bytes(1), [1], {}];

const REFUSED = [
  ["string", { v: 1 }, "Value does not match validator.\nPath: .v\nValue: 1.0\nValidator: v.string()"],
  ["number", { v: 1n }, "Value does not match validator.\nPath: .v\nValue: 1n\nValidator: v.number()"],
  ["bigint", { v: 1 }, "Value does not match validator.\nPath: .v\nValue: 1.0\nValidator: v.int64()"],
  ["array", { v: [1, "a"] }, 'Value does not match validator.\nPath: .v[1]\nValue: "a"\nValidator: v.number()'],
  ["string", {}, "Object is missing the required field `v`. Consider wrapping the field validator in `v.optional(...)`"],
  ["string", { v: "a", w: 1 }, "Object contains extra field `w` that is not in the validator."],
  ["id", { v: "nothing" }, 'Validator: v.id("boxes")'],
];

const function_ = (name) => ref(`values:${name}`);

async function error(promise) {
  const outcome = await promise.then(
    (value) => ({ value }),
    (reason) => ({ message: reason.message }),
  );
  assert.ok("message" in outcome, `no error, but ${outcome.value}`);
  return outcome.message;
}

async function play(client, stage, name) {
  for (const v of VALUES) {
    assert.deepEqual(await client.query(function_("any"), { v }), v);
  }
  assert.deepEqual(await client.query(function_("any"), { v: { a: undefined, b: 1 } }), { b: 1 });
  stage.passed(`${name}: values come back`);

  for (const [path, args, text] of REFUSED) {
    const told = await error(client.query(function_(path), args));
    assert.ok(told.includes(`ArgumentValidationError: ${text}`) || told.includes(text), told);
    assert.match(told, /ArgumentValidationError: /);
  }
  const lie = await error(client.query(function_("lie"), { v: "no list" }));
  assert.ok(lie.includes("ReturnsValidationError: Value does not match validator."), lie);
  stage.passed(`${name}: what does not match is refused in Convex's words`);

  const box = await client.mutation(function_("keep"), { v: 1 });
  const label = await client.mutation(function_("label"), { box });
  assert.equal(await client.query(function_("id"), { v: box }), box);
  const wrong = await error(client.query(function_("id"), { v: label }));
  assert.ok(wrong.includes(`Found ID "${label}" from table \`labels\``), wrong);
  const kept = await error(client.mutation(function_("label"), { box: label }));
  assert.ok(kept.includes('in table "labels" because it does not match the schema'), kept);
  stage.passed(`${name}: ids are of their table`);
}

const stage = new Stage();
const live = new ConvexClient(stage.url, { webSocketConstructor: WebSocket });
const plain = new ConvexHttpClient(stage.url);
await play(plain, stage, "http");
await play(live, stage, "live");

const count = stage.longest - 2;
assert.equal((await live.query(function_("repeat"), { text: "x", times: count })).length, count);
for (const kind of ["mutation", "action"]) {
  const path = function_(`repeatIn${kind === "action" ? "Action" : "Mutation"}`);
  assert.equal((await live[kind](path, { text: "x", times: count })).length, count);
}
stage.passed("results are as long as they may be");

const before = (await plain.query(function_("contents"), {})).length;
for (const v of [...SORTED].reverse()) await live.mutation(function_("keep"), { v });
const shown = await live.query(function_("contents"), {});
const others = new Array(before).fill(1);
const expected = SORTED.flatMap((v) => (v === 3 ? [...others, v] : [v]));
assert.deepEqual(shown, expected);
stage.passed("an index has values in their order");

await live.close();
process.exit(0);
