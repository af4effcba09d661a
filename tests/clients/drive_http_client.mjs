// The scenario through ConvexHttpClient: no socket, so nothing live and nothing optimistic.

import { ConvexHttpClient } from "convex/browser";
import { makeFunctionReference as ref } from "convex/server";
import { play } from "./scenario.mjs";
import { Stage } from "./stage.mjs";

class Ui {
  live = false;

  constructor(url) {
    this.client = new ConvexHttpClient(url);
  }

  query(path, args) {
    return this.client.query(ref(path), args);
  }

  mutate(path, args) {
    return this.client.mutation(ref(path), args);
  }

  action(path, args) {
    return this.client.action(ref(path), args);
  }

  async signIn(token) {
    this.client.setAuth(token);
  }

  async signOut() {
    this.client.clearAuth();
  }

  async close() {}
}

const stage = new Stage();
await play(new Ui(stage.url), stage);
process.exit(0);
