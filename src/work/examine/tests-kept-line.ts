import type { VerdictLineJson } from "../../gen/automation/v1/verdict_pb.ts";
import { failedLine, lineOf, metLine, missingLine } from "../verdict-line.ts";
import type { PatchChange } from "./exit-gate/patch-change.ts";
import { testsKept } from "./test-report/tests-kept.ts";
import type { TestFinding } from "./tests-passed.ts";

const remedy =
  "Put back each test named here and have it run; a test that is no longer right is changed by its owners, not by the run. Where its name changes by itself (a counter, a random word), give it one that stays.";
const baseRemedy =
  "Have the tests of the base leave a whole report; or, where there is nothing yet to compare with, such as before the first tests, let the profile's gate say `acceptsUntestedBase: true`.";

/**
 * The line that says whether every test that the base executed was executed on the capture. FAILED when one was not; MISSING when the base does not say which tests it executed, unless the profile's
 * gate accepts that.
 * @param seen.base - undefined: the tests did not run there
 */
export function lineOfKept(
  stepId: string,
  seen: {
    readonly base: TestFinding | undefined;
    readonly capture: TestFinding | undefined;
    readonly changes: readonly PatchChange[];
  },
): VerdictLineJson {
  const requirementId = keptLineOf(stepId);
  const { base, capture, changes } = seen;
  if (capture === undefined) return failedLine(requirementId, ["the tests did not run on the captured tree"], remedy);
  if (base?.report === undefined)
    return missingLine(requirementId, `there is nothing to compare with: ${whyUnseen(base)}`, baseRemedy);
  if (capture.report === undefined)
    return failedLine(requirementId, [`no test can be seen: ${capture.detail}`], remedy);
  const { gone, kept, recognised } = testsKept(base.report, capture.report, changes);
  const { failed = 0, errored = 0 } = base.report.counts;
  const { exitCode } = base.run;
  if (gone.length === 0 && exitCode !== 0 && failed + errored === 0)
    return missingLine(
      requirementId,
      `the report of the base may not be whole: its tests ended with ${exitCode === undefined ? "no exit code" : `exit code ${exitCode}`}, and it has no failure`,
      baseRemedy,
    );
  const met =
    kept === 0
      ? "the base executed no test, so none can be missing"
      : `every test that the base executed was executed (${kept})`;
  const told =
    recognised === 0 ? "" : `; ${recognised} of them under a name in which only what changes by itself is new`;
  return lineOf(requirementId, gone, { met: `${met}${told}`, remedy });
}

/** The line of a gate that accepts a base which does not say which tests it executed. */
export function acceptUntestedBase(line: VerdictLineJson): VerdictLineJson {
  const { requirementId = "", state, detail = "" } = line;
  if (state !== "LINE_STATE_MISSING" || !requirementId.startsWith(keptLineOf(""))) return line;
  return metLine(requirementId, `${detail}; the profile accepts that`);
}

const keptLineOf = (stepId: string): string => `tests-kept-${stepId}`;

function whyUnseen(base: TestFinding | undefined): string {
  return base === undefined ? "the tests did not run on the base" : `on the base ${base.detail}`;
}
