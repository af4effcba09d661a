// A socket that can lose an answer on its way: the client cannot know that the mutation was done.

import { WebSocket } from "ws";

let losing = false;

/** Lose the next MutationResponse of any socket, and its connection with it. */
export function loseNextAnswer() {
  losing = true;
}

export class LossySocket extends WebSocket {
  #lost = false;

  get onmessage() {
    return super.onmessage;
  }

  set onmessage(handler) {
    super.onmessage = (event) => {
      if (losing && JSON.parse(event.data).type === "MutationResponse") {
        losing = false;
        this.#lost = true;
        this.terminate();
      }
      if (!this.#lost) handler(event);
    };
  }
}
