import type { Look } from "./invariant.ts";

/** What must always be true of something beside the database, looked at page by page. */
export interface Survey {
  readonly id: string;
  /** For people. */
  readonly claim: string;
  /** What its pages are of. */
  readonly counts: string;
  readonly pages: (signal: AbortSignal) => AsyncIterable<Look>;
}
