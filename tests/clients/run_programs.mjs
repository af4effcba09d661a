// Performs the random programs on npm's convex-test, a mock of Convex by others.
//
// Reads a file of programs, and writes one with the answers of each.

import { readFileSync, writeFileSync } from "node:fs";
import { convexTest } from "convex-test";
import { defineSchema, defineTable } from "convex/server";
import { convexToJson, jsonToConvex, v } from "convex/values";
import { Stage } from "./stage.mjs";

const schema = defineSchema({
  things: defineTable({ ref: v.number(), a: v.optional(v.any()), b: v.optional(v.any()) })
    .index("by_a", ["a"])
    .index("by_ab", ["a", "b"]),
});
const modules = { "./_generated/api.js": async () => ({}) };

const point = (step) => ("value" in step ? jsonToConvex(step.value) : undefined);

function query(db, spec) {
  let found = db.query("things");
  if (spec.index !== "creation") {
    found = found.withIndex(spec.index, (q) =>
      spec.range.reduce((range, step) => range[step.is](step.field, point(step)), q));
  }
  found = found.order(spec.order);
  for (const condition of spec.filters) {
    found = found.filter((q) => q[condition.is](q.field(condition.field), point(condition)));
  }
  return found;
}

async function read(db, op, ids) {
  if (op.op === "get") {
    const found = ids[op.ref] ? await db.get(ids[op.ref]) : null;
    if (found === null) return null;
    const { _id, _creationTime, ...fields } = found;
    return convexToJson(fields);
  }
  const wanted = query(db, op.spec);
  switch (op.end) {
    case "collect": return (await wanted.collect()).map((thing) => thing.ref);
    case "count": return (await wanted.collect()).length;
    case "unique": {
      const found = await wanted.take(2);
      return found.length > 1 ? "several" : found.map((thing) => thing.ref);
    }
    case "first": return (await wanted.first())?.ref ?? null;
    default: return (await wanted.take(op.count)).map((thing) => thing.ref);
  }
}

async function write(db, op, ids) {
  if (op.op === "insert") {
    ids[op.ref] = await db.insert("things", { ref: op.ref, ...jsonToConvex(op.fields) });
    return null;
  }
  if (!["patch", "replace", "delete"].includes(op.op)) return read(db, op, ids);
  const id = ids[op.ref];
  if (!id || (await db.get(id)) === null) return "absent";
  const fields = op.fields && jsonToConvex(op.fields);
  if (op.op === "patch") {
    const removed = Object.fromEntries(op.removed.map((name) => [name, undefined]));
    await db.patch(id, { ...fields, ...removed });
  } else if (op.op === "replace") {
    await db.replace(id, { ref: op.ref, ...fields });
  } else {
    await db.delete(id);
  }
  return null;
}

async function pages(t, { spec, count }) {
  const found = [];
  for (let cursor = null, done = false; !done; ) {
    const page = await t.run(({ db }) => query(db, spec).paginate({ numItems: count, cursor }));
    found.push(page.page.map((thing) => thing.ref));
    ({ isDone: done, continueCursor: cursor } = page);
  }
  return found.length > 1 && found.at(-1).length === 0 ? found.slice(0, -1) : found;
}

async function perform(steps) {
  const t = convexTest(schema, modules);
  const ids = {};
  const answers = [];
  for (const step of steps) {
    if (step.step === "pages") {
      answers.push(await pages(t, step));
      continue;
    }
    const one = step.step === "transact" ? write : read;
    answers.push(await t.run(async ({ db }) => {
      const told = [];
      for (const op of step.ops) told.push(await one(db, op, ids));
      return JSON.stringify(told);
    }).then(JSON.parse));
  }
  return answers;
}

const stage = new Stage();
const answers = [];
for (const steps of JSON.parse(readFileSync(stage.programs))) answers.push(await perform(steps));
writeFileSync(stage.told, JSON.stringify(answers));
stage.result({ programs: answers.length });
process.exit(0);
