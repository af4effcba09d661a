/* eslint-disable */
/**
 * Generated from the functions and tables that are served: `make types` writes it anew.
 */

import type { SystemTableNames } from "convex/server";
import type { GenericId } from "convex/values";

/** The documents of each table. */
export type Documents = {
  /**
   * Somewhere.
   *
   * A comment ends with *\/ in JavaScript, and goes on here.
   */
  places: {
    _id: Id<"places">;
    _creationTime: number;
    name: string;
    kind: "city" | "town" | "village";
    position: { lon: number; lat: number };
    shape:
      | { kind: "circle"; centre: { lon: number; lat: number }; radius: number }
      | { kind: "ring"; corners: { lon: number; lat: number }[] };
    height: number;
    population: bigint;
    picture: ArrayBuffer | null;
    photo?: Id<"_storage">;
    within: Id<"places"> | null;
    names: Record<string, string>;
    visits: Record<Id<"visitors">, number>;
    remarks?: string | null;
    facts: any;
  };
  /** Somebody who travels. */
  visitors: {
    _id: Id<"visitors">;
    _creationTime: number;
    name: string;
  };
};

/** The names of the tables. */
export type TableNames = keyof Documents;

/** A document as clients receive it. */
export type Doc<TableName extends TableNames> = Documents[TableName];

/** The id of a document. */
export type Id<TableName extends TableNames | SystemTableNames> = GenericId<TableName>;

/** What an error that a function raises on purpose is told apart by. */
export type AppErrorCode =
  | "AUTHENTICATION_ERROR"
  | "AUTHORIZATION_ERROR"
  | "CONFLICT"
  | "NOT_FOUND"
  | "OFF_THE_MAP"
  | "PROCESSING_ERROR"
  | "RATE_LIMITED"
  | "UNDO_REFUSED"
  | "VALIDATION_ERROR";

/** What such an error says: the `data` of a `ConvexError`. */
export type AppErrorData = {
  code: AppErrorCode;
  message: string;
  details: Record<string, any>;
};
