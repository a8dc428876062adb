import { expect, it } from "vitest";
import type { RunOutcome } from "../../runs/run-status.ts";
import { provenanceIfCompleted } from "./provenance-if-completed.ts";
import type { RunEnd } from "./statement.ts";

it.each<[RunOutcome, boolean]>([
  ["COMPLETED", true],
  ["FAILED", false],
  ["CANCELLED", false],
  ["TIMED_OUT", false],
])("a run that ended %s has provenance: %s", (outcome, isThere) => {
  const run = { tenant: "acme", runId: "r-1", requested: {}, pins: null, baseCommit: null, createdAt: new Date(0) };
  const log = { name: "events.ndjson", sha256: "0".repeat(64) };
  const end = { baseUri: "https://proof.example", run, outcome, log, work: [], at: new Date(0) } as unknown as RunEnd;
  expect(provenanceIfCompleted(end) !== undefined).toBe(isThere);
});
