/* eslint-disable */
/**
 * Generated from the functions and tables that are served: `make types` writes it anew.
 */

import type { FunctionReference, PaginationOptions, PaginationResult } from "convex/server";
import type { Doc, Id } from "./dataModel.js";

/** The functions that clients may call. */
export declare const api: {
  admin: {
    visitors: {
      invite: FunctionReference<
        "mutation",
        "public",
        { name: string },
        Id<"visitors">
      >;
    };
  };
  places: {
    /** Put a place on the map. */
    add: FunctionReference<
      "mutation",
      "public",
      {
        name: string;
        kind: "city" | "town" | "village";
        position: { lon: number; lat: number };
        shape:
          | { kind: "circle"; centre: { lon: number; lat: number }; radius?: number }
          | { kind: "ring"; corners: { lon: number; lat: number }[] };
        population: bigint;
        picture?: ArrayBuffer | null;
        within?: Id<"places"> | null;
        names?: Record<string, string>;
        visits?: Record<Id<"visitors">, number> | null;
        facts?: any;
      },
      Id<"places">
    >;
    /** Return a place; null if there is none. */
    get: FunctionReference<
      "query",
      "public",
      { placeId: Id<"places"> },
      Doc<"places"> | null
    >;
    /** Do nothing, without arguments, and return as much. */
    idle: FunctionReference<
      "action",
      "public",
      Record<string, never>,
      Record<string, never>
    >;
    /** Return the first hundred places. */
    list: FunctionReference<"query", "public", Record<string, never>, Doc<"places">[]>;
    /** Return some places. */
    listPage: FunctionReference<
      "query",
      "public",
      { paginationOpts: PaginationOptions; kind?: "city" | "town" | "village" | null },
      PaginationResult<Doc<"places">>
    >;
    /** Return the names of some places, null for nameless ones. */
    namesPage: FunctionReference<
      "query",
      "public",
      { paginationOpts: PaginationOptions },
      PaginationResult<string | null>
    >;
    /** Return places of one kind. */
    ofKind: FunctionReference<
      "query",
      "public",
      { kind: "city" | "town" | "village"; limit?: number },
      Doc<"places">[]
    >;
    /**
     * Call a place something else.
     *
     * Raises:
     *     OffTheMap: there is no such place.
     */
    rename: FunctionReference<
      "mutation",
      "public",
      { placeId: Id<"places">; name: string },
      null
    >;
    /** Tell what there is of one kind. */
    summary: FunctionReference<
      "query",
      "public",
      { kind: "city" | "town" | "village" },
      {
        kind: "city" | "town" | "village";
        places: number;
        largest: Doc<"places"> | null;
        population: bigint;
        outline: ArrayBuffer;
        note?: string;
      }
    >;
    /** Look around. */
    survey: FunctionReference<
      "action",
      "public",
      { where: { lon: number; lat: number }; flags: (1 | 2 | null)[] },
      boolean
    >;
  };
};

/** The functions that only functions, schedules and admins reach. */
export declare const internal: {
  admin: {
    visitors: {
      default: FunctionReference<
        "mutation",
        "internal",
        { visitorId: Id<"visitors"> },
        null
      >;
    };
  };
  places: {
    /** Return what is to be done: documents that are not the app's own. */
    jobs: FunctionReference<
      "query",
      "internal",
      Record<string, never>,
      {
        _id: Id<"_scheduled_functions">;
        _creationTime: number;
        name: string;
        args: any[];
        scheduledTime: number;
        completedTime?: number;
        state:
          | { kind: "canceled" }
          | { kind: "failed"; error: string }
          | { kind: "inProgress" }
          | { kind: "pending" }
          | { kind: "success" };
      }[]
    >;
    /** Draw the map anew. */
    redraw: FunctionReference<"action", "internal", { everything?: boolean }, null>;
  };
};
