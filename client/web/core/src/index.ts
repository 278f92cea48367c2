/** A Soul Connect client without a page. See `snapshot.ts` for what a page sees of it. */

export type * from "./contract/types.ts";
export * from "./snapshot.ts";
