// The scenario through ConvexReactClient and its hooks, rendered without a browser.
//
// What a user sees is what React commits: layout effects record it.

import { Component, createElement as h, useLayoutEffect } from "react";
import { create } from "react-test-renderer";
import { ConvexProvider, ConvexReactClient, useMutation, useQuery } from "convex/react";
import { makeFunctionReference as ref } from "convex/server";
import { LossySocket } from "./lossy_socket.mjs";
import { play } from "./scenario.mjs";
import { Recording, Stage } from "./stage.mjs";

function Shown({ path, args, recording }) {
  const value = useQuery(ref(path), args);
  useLayoutEffect(() => {
    if (value !== undefined) recording.saw(value);
  }, [value]);
  return null;
}

class Guarded extends Component {
  state = { error: null };

  static getDerivedStateFromError(error) {
    return { error };
  }

  componentDidCatch(error) {
    this.props.recording.failed(error);
  }

  render() {
    return this.state.error === null ? this.props.children : null;
  }
}

function Doer({ path, take }) {
  const mutate = useMutation(ref(path));
  useLayoutEffect(() => take(mutate), []);
  return null;
}

class Ui {
  live = true;
  places = [];
  mutations = new Map();

  constructor(url) {
    this.client = new ConvexReactClient(url, {
      webSocketConstructor: LossySocket,
      unsavedChangesWarning: false,
    });
    this.root = create(this.#page());
  }

  watch(path, args) {
    const recording = new Recording();
    const shown = h(Shown, { path, args, recording });
    this.#show(h(Guarded, { key: this.places.length, recording }, shown));
    return recording;
  }

  query(path, args) {
    return this.client.query(ref(path), args);
  }

  async mutate(path, args, optimisticUpdate) {
    const mutate = await this.#mutation(path);
    return (optimisticUpdate ? mutate.withOptimisticUpdate(optimisticUpdate) : mutate)(args);
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

  async signOut() {
    this.client.clearAuth();
  }

  close() {
    this.root.unmount();
    return this.client.close();
  }

  #mutation(path) {
    if (!this.mutations.has(path)) {
      this.mutations.set(path, new Promise((take) => {
        this.#show(h(Doer, { key: this.places.length, path, take }));
      }));
    }
    return this.mutations.get(path);
  }

  #show(place) {
    this.places.push(place);
    this.root.update(this.#page());
  }

  #page() {
    return h(ConvexProvider, { client: this.client }, [...this.places]);
  }
}

const stage = new Stage();
await play(new Ui(stage.url), stage);
process.exit(0);
