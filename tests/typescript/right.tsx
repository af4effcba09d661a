// A program over the atlas that must compile: each kind of client, each kind of type.

import { ConvexClient, ConvexHttpClient } from "convex/browser";
import {
  ConvexReactClient,
  optimisticallyUpdateValueInPaginatedQuery,
  useAction,
  useMutation,
  usePaginatedQuery,
  useQuery,
} from "convex/react";
import type {
  FunctionArgs,
  FunctionReturnType,
  PaginationOptions,
  PaginationResult,
} from "convex/server";
import { ConvexError, type Value } from "convex/values";
import { api, internal } from "./_generated/api.js";
import type {
  AppErrorCode,
  AppErrorData,
  Doc,
  Documents,
  Id,
  TableNames,
} from "./_generated/dataModel.js";

const url = "http://127.0.0.1:3210";

type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function expectType<_Holds extends true>(): void {}

// What the signatures say is what the stock client infers.
expectType<Same<FunctionReturnType<typeof api.places.list>, Doc<"places">[]>>();
expectType<Same<FunctionReturnType<typeof api.places.get>, Doc<"places"> | null>>();
expectType<Same<FunctionReturnType<typeof api.places.rename>, null>>();
expectType<Same<FunctionReturnType<typeof api.places.idle>, Record<string, never>>>();
expectType<Same<FunctionArgs<typeof api.places.get>, { placeId: Id<"places"> }>>();
expectType<Same<TableNames, "places" | "visitors">>();
expectType<Same<Documents["visitors"], Doc<"visitors">>>();
expectType<Same<Doc<"places">["photo"], Id<"_storage"> | undefined>>();
expectType<Same<Doc<"places">["population"], bigint>>();
expectType<Same<Doc<"places">["visits"], Record<Id<"visitors">, number>>>();

/** Over HTTP. */
export async function overHttp(): Promise<string[]> {
  const client = new ConvexHttpClient(url);
  const visitor = await client.mutation(api.admin.visitors.invite, { name: "Ida" });
  const place = await client.mutation(api.places.add, {
    name: "Berlin",
    kind: "city",
    position: { lon: 13.4, lat: 52.5 },
    shape: { kind: "circle", centre: { lon: 13.4, lat: 52.5 } },
    population: 3_800_000n,
    picture: new Uint8Array([1, 2, 3]).buffer,
    visits: { [visitor]: 2 },
    facts: { anything: ["goes", 1, null] },
  });
  await client.mutation(api.places.add, {
    name: "Ring",
    kind: "village",
    position: { lon: 0, lat: 0 },
    shape: { kind: "ring", corners: [] },
    population: 0n,
    picture: null,
    within: place,
    names: { de: "Ring" },
  });
  const found = await client.query(api.places.get, { placeId: place });
  const largest = (await client.query(api.places.summary, { kind: "city" })).largest;
  const seen = await client.action(api.places.survey, {
    where: { lon: 1, lat: 2 },
    flags: [1, null, 2],
  });
  await client.action(api.places.idle);
  await client.action(api.places.idle, {});
  return seen ? [found?.name ?? "nowhere", largest?.kind ?? "none"] : [];
}

/** Over a socket, without React. */
export function live(show: (places: Doc<"places">[]) => void): () => void {
  const client = new ConvexClient(url);
  client.onUpdate(api.places.ofKind, { kind: "town", limit: 3 }, show);
  return client.onUpdate(api.places.list, {}, (places) => {
    for (const { shape, creation, remarks } of places.map(described)) {
      const size = shape.kind === "circle" ? shape.radius : shape.corners.length;
      console.log(size, creation.toISOString(), remarks?.length ?? 0);
    }
  });
}

function described(place: Doc<"places">) {
  return { ...place, creation: new Date(place._creationTime) };
}

export const client = new ConvexReactClient(url);

/** With React, and an optimistic update of two queries. */
export function Name({ placeId }: { placeId: Id<"places"> }) {
  const place = useQuery(api.places.get, { placeId });
  const skipped = useQuery(api.places.get, placeId.length > 0 ? "skip" : { placeId });
  const survey = useAction(api.places.survey);
  const rename = useMutation(api.places.rename).withOptimisticUpdate((store, args) => {
    const shown = store.getQuery(api.places.get, { placeId: args.placeId });
    if (shown) {
      const renamed = { ...shown, name: args.name };
      store.setQuery(api.places.get, { placeId: args.placeId }, renamed);
    }
    for (const { args: of, value } of store.getAllQueries(api.places.ofKind)) {
      store.setQuery(
        api.places.ofKind,
        of,
        value?.map((each) =>
          each._id === args.placeId ? { ...each, name: args.name } : each,
        ),
      );
    }
  });
  const look = () => survey({ where: { lon: 0, lat: 0 }, flags: [] });
  return (
    <button onClick={() => rename({ placeId, name: "Bonn" }).catch(told)} onBlur={look}>
      {place === undefined ? "…" : (place?.name ?? "gone")} {skipped?.kind}
    </button>
  );
}

/** Pages, and an optimistic update at the top of the list. */
export function Places() {
  const { results, status, loadMore } = usePaginatedQuery(
    api.places.listPage,
    { kind: "city" },
    { initialNumItems: 10 },
  );
  const names = usePaginatedQuery(api.places.namesPage, {}, { initialNumItems: 10 });
  const add = useMutation(api.places.rename).withOptimisticUpdate((store, args) => {
    optimisticallyUpdateValueInPaginatedQuery(store, api.places.listPage, {}, (place) =>
      place._id === args.placeId ? { ...place, name: args.name } : place,
    );
  });
  expectType<Same<typeof results, Doc<"places">[]>>();
  expectType<Same<typeof names.results, (string | null)[]>>();
  const first = results[0];
  if (status === "CanLoadMore") loadMore(10);
  return <i onClick={() => first && add({ placeId: first._id, name: "Köln" })}>{first?.name}</i>;
}

/** Pages over HTTP. */
export async function everyPlace(http: ConvexHttpClient): Promise<Doc<"places">[]> {
  const found: Doc<"places">[] = [];
  let paginationOpts: PaginationOptions = { numItems: 100, cursor: null };
  for (;;) {
    const page: PaginationResult<Doc<"places">> = await http.query(api.places.listPage, {
      paginationOpts,
    });
    found.push(...page.page);
    if (page.isDone) return found;
    paginationOpts = { numItems: 100, cursor: page.continueCursor };
  }
}

/** What went wrong, by its code. */
export function told(error: unknown): string {
  if (!(error instanceof ConvexError)) throw error;
  const data: AppErrorData = error.data;
  switch (data.code) {
    case "OFF_THE_MAP":
      return `${data.message}: ${data.details["place_id"]}`;
    case "NOT_FOUND":
    case "CONFLICT":
      return data.message;
    default:
      return data.code satisfies AppErrorCode;
  }
}

export const carried: Value = new ConvexError<AppErrorData>({
  code: "CONFLICT",
  message: "",
  details: {},
}).data;

/** An admin's tool reaches internal functions by reference, too. */
export const tools = [internal.places.redraw, internal.admin.visitors.default, internal.places.jobs];
