/* eslint-disable */
/**
 * Generated from the functions and tables that are served: `make types` writes it anew.
 */

import { anyApi } from "convex/server";

/** The functions that clients may call. */
export const api = anyApi;

/** The functions that only functions, schedules and admins reach. */
export const internal = anyApi;
