// GeoFlow from sign-in to audit, by three people with the stock client, over sockets and HTTP.

import { readFile } from "node:fs/promises";
import { ConvexClient } from "convex/browser";
import { makeFunctionReference as ref } from "convex/server";
import { Recording, Stage } from "./stage.mjs";

class Person {
  constructor(url, token) {
    Object.assign(this, { url, token, client: new ConvexClient(url) });
    this.client.setAuth(async () => token);
  }

  do(path, args = {}) {
    return this.client.mutation(ref(path), args);
  }

  ask(path, args = {}) {
    return this.client.query(ref(path), args);
  }

  watch(path, args = {}) {
    const shown = new Recording();
    this.client.onUpdate(ref(path), args, (value) => shown.saw(value), (e) => shown.failed(e));
    return shown;
  }

  // A request to a REST endpoint; returns its status and the data or the error of its envelope.
  async http(method, path, body, headers = {}) {
    const answer = await fetch(this.url + path, {
      method,
      body,
      headers: { Authorization: `Bearer ${this.token}`, ...headers },
    });
    const told = await answer.json();
    return { status: answer.status, data: told.data, error: told.error, told, answer };
  }

  async refused(path, args) {
    try {
      await this.do(path, args);
    } catch (error) {
      return error.data?.code ?? error.message;
    }
    throw new Error(`${path} was not refused`);
  }
}

const stage = new Stage();
const { url, tokens, definition, shapes } = stage;
const [alice, bob, root] = ["alice", "bob", "root"].map((who) => new Person(url, tokens[who]));
const same = (found, wanted, what) => {
  const [left, right] = [found, wanted].map((value) => JSON.stringify(value));
  if (left !== right) throw new Error(`${what}: ${left}, not ${right}`);
};

// Sign in.
for (const person of [alice, bob, root]) person.id = await person.do("users:ensure");
await stage.ask("make root an admin");
same((await root.ask("users:me")).role, "admin", "the role that was granted");
stage.passed("sign in");

// Create, and share.
const seenByBob = bob.watch("workflows:list");
await seenByBob.until((list) => list.length === 0, "nothing yet");
const workflow = await alice.do("workflows:create", definition);
same(await bob.ask("workflows:get", { workflowId: workflow }), null, "a stranger's view");
same(await bob.refused("workflows:update", { workflowId: workflow, name: "b" }), "NOT_FOUND", "");
await alice.do("members:share", { workflowId: workflow, access: "view", userId: bob.id });
await seenByBob.until((list) => list[0]?._id === workflow, "what was shared");
same(
  await bob.refused("executions:start", { workflowId: workflow }),
  "AUTHORIZATION_ERROR",
  "a viewer who starts",
);
stage.passed("create and share");

// Upload a real file; its facts are found in the background, and seen by whoever may see it.
const filesOfFlow = bob.watch("files:listByWorkflow", { workflowId: workflow });
const upload = await alice.http(
  "POST",
  `/api/files/upload?name=countries.json&workflowId=${workflow}`,
  await readFile(shapes),
  { "Content-Type": "application/json" },
);
same(upload.status, 201, `the upload's status (${JSON.stringify(upload.error)})`);
const [file] = await filesOfFlow.until(
  (files) => files.length === 1 && files[0].state !== "pending",
  "a file that was looked into",
);
same(file._id, upload.data.fileId, "the file");
const content = await fetch(`${url}/api/files/${file._id}/content`, {
  headers: { Authorization: `Bearer ${bob.token}`, Range: "bytes=0-8" },
});
same([content.status, await content.text()], [206, '{"type":"'], "the first bytes");
stage.passed("upload a real file");

// Run it, and watch it live.
const execution = await alice.do("executions:start", {
  workflowId: workflow,
  inputs: stage.inputs,
});
const run = bob.watch("executions:get", { executionId: execution });
await run.until((seen) => seen?.status === "queued", "the run in the queue");
await stage.ask("work");
const ended = await run.until((seen) => seen?.finished, "the end of the run");
same([ended.status, ended.progress], ["succeeded", 1], "how it ended");
const progress = run.values.map((seen) => seen?.progress ?? 0);
same(progress, progress.toSorted((a, b) => a - b), "progress that only grows");
if (new Set(progress).size < 4) throw new Error(`hardly any progress was seen: ${progress}`);
const log = await bob.ask("logs:tail", { executionId: execution });
if (log.length === 0) throw new Error("the worker's log is empty");
stage.passed("run and watch live");

// Cancel another, over HTTP.
const second = await alice.do("executions:start", { workflowId: workflow });
const cancelled = await alice.http("POST", `/api/executions/${second}/cancel`);
const again = await alice.http("POST", `/api/executions/${second}/cancel`);
same([cancelled.status, again.status, again.error.code], [200, 409, "CONFLICT"], "cancelling");
same((await bob.http("POST", `/api/executions/${second}/cancel`)).status, 403, "a viewer's");
stage.passed("cancel another");

// Export, and import as somebody else.
const exported = await alice.http("GET", `/api/workflows/${workflow}/export`);
same(exported.status, 200, "the export");
const disposition = exported.answer.headers.get("content-disposition");
if (!disposition?.startsWith("attachment")) throw new Error(`not an attachment: ${disposition}`);
const imported = await bob.http(
  "POST",
  "/api/workflows/import",
  JSON.stringify(exported.told),
  { "Content-Type": "application/json" },
);
same(imported.status, 201, `the import (${JSON.stringify(imported.error)})`);
const copy = await bob.ask("workflows:get", { workflowId: imported.data });
same([copy.owner, copy.nodes.length], [bob.id, definition.nodes.length], "the copy");
stage.passed("export and import");

// Take it away again: everything of it vanishes from what is watched.
await alice.do("members:remove", { workflowId: workflow, userId: bob.id });
await seenByBob.until((list) => !list.some(({ _id }) => _id === workflow), "no workflow");
await run.until((seen) => seen === null, "no run");
await filesOfFlow.until((files) => files.length === 0, "no file");
const gone = await bob.http("GET", `/api/files/${file._id}/content`);
same([gone.status, gone.error.code], [404, "NOT_FOUND"], "a download that was possible before");
stage.passed("revoke and see it vanish");

// Read the audit: who did what, in order.
const paginationOpts = { numItems: 50, cursor: null };
const audit = root.watch("audit:byDocument", { document: workflow, paginationOpts });
await audit.until(({ page }) => page.some(({ operation }) => operation === "export"), "the export");
const told = audit.last.page.map(({ operation, actor }) => [operation, actor.split("|").at(-1)]);
same(told.at(-1), ["insert", "alice"], "the first event");
if (!told.every(([, actor]) => actor === "alice")) throw new Error(`others: ${told}`);
const refusal = await bob
  .ask("audit:byDocument", { document: workflow, paginationOpts })
  .then(() => "nothing", (error) => error.data?.code);
same(refusal, "AUTHORIZATION_ERROR", "an audit for somebody who is no admin");
await stage.ask("verify the audit");
stage.passed("read the audit");

for (const person of [alice, bob, root]) await person.client.close();
process.exit(0);
