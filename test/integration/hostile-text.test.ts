import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AbortedEnd } from "../../src/seal/abort/aborted-end.ts";
import { complete, makeWork, otherReport, suite, worked } from "../support/builders/worked-run.ts";
import { lookAt } from "../support/probes/seal-state.ts";
import type { Sealing } from "../support/worlds/sealing.ts";
import { ran, startSealing } from "../support/worlds/sealing.ts";

let sealing: Sealing;
let seal: ReturnType<Sealing["wire"]>;
let look: ReturnType<typeof lookAt>;
let made: ReturnType<typeof makeWork>;

const context = { scrum: { product: "shop", sprint: "S-7", backlogItems: ["B-1"] } };
const begin = () => sealing.beginRun({ tenant: "acme", requirements: [ran, ...worked], context, work: made.work });
const half = "\ud83d";
const failed: AbortedEnd = { outcome: "FAILED", cause: "verdict_failed", reason: "the verdict did not pass" };
/** Where a text of so many units is cut, an emoji stands across the place. */
const acrossEveryCut = Array.from({ length: 2_100 }, (_, at) => (at % 2 === 0 ? "😀" : "")).join("");

/** Honest work whose tests fail under this name. */
const withFailing = (name: string) =>
  otherReport(made.honest, suite(`<testcase name="${name}"><failure message="x"/></testcase>`));

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

describe("an end is sealed", () => {
  it.each([
    ["an emoji where the name of a test is cut", `${"c".repeat(199)}😀 stays in the cart`],
    ["nothing but emoji in the name of a test", acrossEveryCut],
    ["the same, one unit further", `c${acrossEveryCut}`],
    ["what turns text around in the name of a test", "a\u202eb\u2066c\u2028d\u0085e"],
  ])("with %s", async (_, name) => {
    const scope = await begin();
    await complete(seal, scope, withFailing(name));
    const { verdict } = await seal.prepare(scope);
    expect(verdict?.passed).toBe(false);
    expect(JSON.stringify(verdict).isWellFormed()).toBe(true);
    expect(JSON.stringify(verdict)).not.toMatch(/\\ud[89a-f]|[\u202a-\u202e\u2066-\u2069\u2028]/);
    expect(await seal.abort(scope, failed)).toMatchObject({ outcome: "RUN_STATUS_FAILED" });
    expect(await look.statusOf(scope)).toBe("FAILED");
  });

  it("with half a character and NUL in every text of a report", async () => {
    const scope = await begin();
    const torn = `torn${half}\0`;
    const { files, report } = made.honest;
    await complete(seal, scope, {
      report: {
        ...report,
        outcome: "WORK_OUTCOME_FAILED",
        cause: "step_failed",
        reason: torn,
        steps: report.steps?.map((step) => ({ ...step, cause: "step_failed", reason: torn })),
        tests: report.tests?.map((test) => ({ ...test, reason: torn })),
        capture: {
          ...report.capture,
          partial: true,
          skipped: [{ path: torn, reason: torn }],
          changes: report.capture?.changes?.map((change) => ({ ...change, path: `${change.path}${torn}` })),
        },
      },
      files,
    });
    expect((await seal.prepare(scope)).verdict?.passed).toBe(false);
    await seal.abort(scope, failed);
    expect(await look.statusOf(scope)).toBe("FAILED");
  });

  it.each(["FAILED", "CANCELLED", "TIMED_OUT"] as const)("%s, with half a character in its reason", async (outcome) => {
    const scope = await begin();
    await seal.abort(scope, { outcome, cause: "internal", reason: `the worker said ${half}` });
    expect(await look.statusOf(scope)).toBe(outcome);
  });
});
