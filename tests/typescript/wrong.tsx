// Lines that must be refused, each for the reason beside it, and no other line.

import { ConvexHttpClient } from "convex/browser";
import { useMutation, usePaginatedQuery, useQuery } from "convex/react";
import { api, internal } from "./_generated/api.js";
import type { AppErrorData, Doc, Id } from "./_generated/dataModel.js";

const client = new ConvexHttpClient("http://127.0.0.1:3210");
declare const placeId: Id<"places">;
declare const visitorId: Id<"visitors">;
declare const place: Doc<"places">;
declare const data: AppErrorData;
const position = { lon: 0, lat: 0 };
const shape = { kind: "circle" as const, centre: position };
const berlin = { name: "Berlin", kind: "city" as const, position, shape, population: 1n };

// -- functions ---------------------------------------------------------------------------
client.query(api.places.nothing, {}); // ✗ TS2339: no such function
client.query(api.nowhere.get, { placeId }); // ✗ TS2339: no such module
client.query(api.places.rename, { placeId, name: "a" }); // ✗ TS2345: a mutation is no query
client.mutation(api.places.get, { placeId }); // ✗ TS2345: a query is no mutation
client.action(api.places.get, { placeId }); // ✗ TS2345: a query is no action
client.action(internal.places.redraw, {}); // ✗ TS2345: clients reach no internal function
client.action(api.places.redraw, {}); // ✗ TS2339: an internal function is not in the public tree
client.query(api._system.cli.modules.apiSpec, {}); // ✗ TS2339: nor is the engine's own

// -- arguments ---------------------------------------------------------------------------
client.query(api.places.get, { placeId: visitorId }); // ✗ TS2322: the id of another table
client.query(api.places.get, { placeId: "places:1" }); // ✗ TS2322: a text is no id
client.query(api.places.get, {}); // ✗ TS2345: an argument is missing
client.query(api.places.get); // ✗ TS2554: all arguments are missing
client.query(api.places.get, { placeId, deep: true }); // ✗ TS2353: one too many
client.query(api.places.get, { place_id: placeId }); // ✗ TS2561: the name of the wire is another
client.query(api.places.list, { limit: 3 }); // ✗ TS2322: it takes no arguments
client.query(api.places.ofKind, { kind: "hamlet" }); // ✗ TS2322: none of the literals
client.query(api.places.ofKind, { kind: "city", limit: "3" }); // ✗ TS2322: a text is no number
client.query(api.places.ofKind, { kind: "city", limit: null }); // ✗ TS2322: absent is not null
client.query(api.places.ofKind, { kind: "city", limit: 3n }); // ✗ TS2322: a bigint is no number
client.mutation(api.places.add, { ...berlin, population: 1 }); // ✗ TS2322: a number is no bigint
client.mutation(api.places.add, { ...berlin, picture: "AQID" }); // ✗ TS2322: a text is no bytes
client.mutation(api.places.add, { ...berlin, position: { lon: 0 } }); // ✗ TS2741: a field is missing
client.mutation(api.places.add, { ...berlin, position: { ...position, alt: 1 } }); // ✗ TS2353: a field too many
client.mutation(api.places.add, { ...berlin, shape: { kind: "circle", corners: [] } }); // ✗ TS2353: the field of another tag
client.mutation(api.places.add, { ...berlin, shape: { kind: "square", side: 1 } }); // ✗ TS2322: no such tag
client.mutation(api.places.add, { ...berlin, shape: { centre: position } }); // ✗ TS2322: no tag
client.mutation(api.places.add, { ...berlin, names: { de: 1 } }); // ✗ TS2322: a value of another type
client.mutation(api.places.add, { ...berlin, visits: { [visitorId]: "twice" } }); // ✗ TS2322: a text is no number
client.mutation(api.places.add, { ...berlin, names: null }); // ✗ TS2322: may be absent, not null
client.action(api.places.survey, { where: position, flags: [3] }); // ✗ TS2322: none of the numbers

client.query(api.places.listPage, { paginationOpts: { numItems: 1 } }); // ✗ TS2741: no cursor

// -- results -----------------------------------------------------------------------------
export const text: Promise<string> = client.query(api.places.list); // ✗ TS2322: a list is no text
client.query(api.places.get, { placeId }).then((found) => found.name); // ✗ TS18047: it may be null
client.query(api.places.list).then((all) => all[0]?.owner); // ✗ TS2339: no such field
client.query(api.places.list).then((all) => all[0]?._creationTime.getTime()); // ✗ TS2339: a number is no date
export const note: string = place.remarks; // ✗ TS2322: it may be absent, or null
export const radius: number = place.shape.radius; // ✗ TS2339: only of circles
export const people: number = place.population; // ✗ TS2322: a bigint is no number
export const visits: number | undefined = place.visits[placeId]; // ✗ TS7053: a key of another table
export const other: Doc<"visitors"> = place; // ✗ TS2322: a document of another table
export type Unknown = Doc<"countries">; // ✗ TS2344: no such table
export type UnknownId = Id<"countries">; // ✗ TS2344: no such table
if (data.code === "OFF_THE_CHART") throw data; // ✗ TS2367: no such code

// -- hooks -------------------------------------------------------------------------------
export function Wrong() {
  useQuery(api.places.get, { placeId: visitorId }); // ✗ TS2322: the id of another table
  useQuery(api.places.rename, { placeId, name: "a" }); // ✗ TS2345: a mutation is no query
  const rename = useMutation(api.places.rename).withOptimisticUpdate((store, args) => {
    store.setQuery(api.places.get, { placeId }, { name: args.name }); // ✗ TS2345: not a whole document
    store.getQuery(api.places.get, { placeId: args.name }); // ✗ TS2322: a text is no id
    return args.kind; // ✗ TS2339: no such argument
  });
  usePaginatedQuery(api.places.list, {}, { initialNumItems: 1 }); // ✗ TS2345: not a list of pages
  usePaginatedQuery(api.places.listPage, { kind: "hamlet" }, { initialNumItems: 1 }); // ✗ TS2322: none of the literals
  usePaginatedQuery(api.places.listPage, {}, { initialNumItems: 1 }).results[0]?.owner; // ✗ TS2339: no such field
  rename({ placeId }); // ✗ TS2345: an argument is missing
  return null;
}
