import type { VerdictLineJson } from "../gen/automation/v1/verdict_pb.ts";

/** The lines that keep a verdict from passing. */
export function unmetLines(lines: readonly VerdictLineJson[] = []): VerdictLineJson[] {
  return lines.filter(({ state }) => state !== "LINE_STATE_MET");
}

/** @returns what is not met, in short: `tests-passed missing: 0 of 1 test-result PASSED` */
export function unmetText({ requirementId = "", state, detail = "" }: VerdictLineJson): string {
  const found = state === "LINE_STATE_MISSING" ? "missing" : "failed";
  return `${requirementId} ${found}${detail === "" ? "" : `: ${detail}`}`;
}
