// A live query whose code is changed under it: the client is told, and does nothing for it.

import { ConvexClient } from "convex/browser";
import { makeFunctionReference as ref } from "convex/server";
import { Recording, Stage } from "./stage.mjs";

const stage = new Stage();
const client = new ConvexClient(stage.url);
const shown = new Recording();
client.onUpdate(
  ref("things:answer"),
  {},
  (value) => shown.saw(value),
  (error) => shown.failed(error),
);
await shown.until((value) => value === 1, "what the old code says");
await stage.ask("change the code");
await shown.until((value) => value === "two", "what the new code says");
if (shown.errors.length > 0) throw shown.errors[0];
stage.result({ shown: shown.values });
await client.close();
process.exit(0);
