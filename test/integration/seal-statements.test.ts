import { afterAll, beforeAll, expect, it } from "vitest";
import { sha256Hex } from "../../src/artifacts/blobs.ts";
import type { AbortedEnd } from "../../src/seal/abort/aborted-end.ts";
import type { SealScope } from "../../src/seal/run-so-far.ts";
import type { Sent } from "../support/builders/worked-run.ts";
import { complete, makeWork, suite, worked } from "../support/builders/worked-run.ts";
import { contradictionsOf } from "../support/probes/contradictions.ts";
import { lookAt } from "../support/probes/seal-state.ts";
import type { Sealing } from "../support/worlds/sealing.ts";
import { ran, startSealing } from "../support/worlds/sealing.ts";

let sealing: Sealing;
let seal: ReturnType<Sealing["wire"]>;
let look: ReturnType<typeof lookAt>;
let made: ReturnType<typeof makeWork>;

const requirements = [ran, ...worked];
const context = { scrum: { product: "shop", sprint: "S-7", backlogItems: ["B-1"] } };
const ends = {
  verdict: { outcome: "FAILED", cause: "verdict_failed", reason: "the verdict did not pass: tests-passed failed" },
  refused: { outcome: "FAILED", cause: "handoff_refused", reason: "the sprint is closed" },
  cancelled: { outcome: "CANCELLED", cause: "cancelled", reason: "by paula" },
  late: { outcome: "TIMED_OUT", cause: "deadline_exceeded", reason: "" },
  internal: { outcome: "FAILED", cause: "internal", reason: "" },
  gaveUp: { outcome: "FAILED", cause: "gave_up", reason: "step fix: no idea" },
} as const satisfies Record<string, AbortedEnd>;

beforeAll(async () => {
  made = makeWork();
  sealing = await startSealing();
  seal = sealing.wire(() => undefined);
  look = lookAt(sealing);
});
afterAll(async () => {
  made?.remove();
  await sealing?.stop();
});

const red = (): Sent => {
  const text = suite('<testcase name="adds"><failure message="x"/></testcase>');
  const tests = made.honest.report.tests?.map((test) =>
    test.onBase ? test : { ...test, reportSha256: sha256Hex(text) },
  );
  const files = made.honest.files.map((file) => (file.name === "tests/unit.xml" ? { ...file, text } : file));
  return { report: { ...made.honest.report, tests }, files };
};
const told = (more: Partial<Sent["report"]>): Sent => ({ ...made.honest, report: { ...made.honest.report, ...more } });
const partial = () =>
  told({ capture: { ...made.honest.report.capture, partial: true, skipped: [{ path: "big", reason: "oversize" }] } });
const stopped = () => told({ outcome: "WORK_OUTCOME_FAILED", cause: "stopped", reason: "it was stopped" });
const cancel = (scope: SealScope) => seal.cancel(scope);
/** Work that names objects which were never stored. */
const missing = (): Sent => ({ ...made.honest, files: made.honest.files.filter(({ kind }) => kind !== "report") });

type Act = (scope: SealScope) => Promise<unknown>;
const works =
  (sent: () => Sent): Act =>
  (scope) =>
    complete(seal, scope, sent());
const prepare: Act = (scope) => seal.prepare(scope);
const abort =
  (end: AbortedEnd): Act =>
  (scope) =>
    seal.abort(scope, end);
const honest = () => made.honest;
const givenUp = () => told({ outcome: "WORK_OUTCOME_FAILED", cause: "gave_up", reason: "no idea" });
const isRefused: Act = (scope) => expect(complete(seal, scope, missing())).rejects.toThrow();

it.each<[string, Act[]]>([
  ["COMPLETED", [works(honest), prepare, (scope) => seal.commit(scope)]],
  ["FAILED by its verdict", [works(red), prepare, abort(ends.verdict)]],
  ["FAILED by a verdict on no work", [prepare, abort(ends.verdict)]],
  ["FAILED by a verdict on a partial capture", [works(partial), prepare, abort(ends.verdict)]],
  ["FAILED by a hand-off that was refused", [works(honest), prepare, abort(ends.refused)]],
  ["FAILED by its work", [works(givenUp), abort(ends.gaveUp)]],
  ["FAILED for no reason that is told", [abort(ends.internal)]],
  ["FAILED after its verdict, for another reason", [works(red), prepare, abort(ends.internal)]],
  ["FAILED with objects that are not there", [isRefused, abort(ends.internal)]],
  ["CANCELLED before any work", [abort(ends.cancelled)]],
  ["CANCELLED while it worked", [works(stopped), abort(ends.cancelled)]],
  ["CANCELLED before it is prepared", [works(honest), cancel, prepare, abort(ends.cancelled)]],
  ["CANCELLED when it is prepared", [works(honest), prepare, cancel, abort(ends.cancelled)]],
  ["CANCELLED after a verdict that failed", [works(red), prepare, abort(ends.cancelled)]],
  ["TIMED_OUT before any work", [abort(ends.late)]],
  ["TIMED_OUT when it is prepared", [works(honest), prepare, abort(ends.late)]],
])("a run that is %s states nothing that another statement of its seal contradicts", async (how, acts) => {
  const [status = ""] = how.split(" ");
  const scope = await sealing.beginRun({ tenant: "acme", requirements, context, work: made.work });
  for (const act of acts) await act(scope);
  expect(await look.statusOf(scope)).toBe(status);
  const { all, log } = await look.proofOf(scope);
  expect(contradictionsOf(all, log, status, requirements)).toEqual([]);
  const { verdict } = await seal.describe(scope, scope.runId);
  expect(verdict?.passed ?? false).toBe(status === "COMPLETED");
});
