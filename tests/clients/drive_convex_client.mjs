// The scenario through ConvexClient, the client without a framework.

import { ConvexClient } from "convex/browser";
import { makeFunctionReference as ref } from "convex/server";
import { LossySocket } from "./lossy_socket.mjs";
import { play } from "./scenario.mjs";
import { Recording, Stage } from "./stage.mjs";

class Ui {
  live = true;

  constructor(url) {
    this.client = new ConvexClient(url, { webSocketConstructor: LossySocket });
  }

  watch(path, args) {
    const recording = new Recording();
    this.client.onUpdate(
      ref(path),
      args,
      (value) => recording.saw(value),
      (error) => recording.failed(error),
    );
    return recording;
  }

  query(path, args) {
    return this.client.query(ref(path), args);
  }

  mutate(path, args, optimisticUpdate) {
    return this.client.mutation(ref(path), args, { optimisticUpdate });
  }

  action(path, args) {
    return this.client.action(ref(path), args);
  }

  signIn(token) {
    return new Promise((resolve, reject) => {
      this.client.setAuth(
        async () => token,
        (accepted) => (accepted ? resolve() : reject(new Error("the token was not accepted"))),
      );
    });
  }

  // Not setAuth(async () => null): in 1.48.0 that forgets to tell the server.
  async signOut() {
    this.client.client.clearAuth();
  }

  close() {
    return this.client.close();
  }
}

const stage = new Stage();
await play(new Ui(stage.url), stage);
process.exit(0);
