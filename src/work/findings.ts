import type { WorkFindingsJson } from "../gen/automation/v1/work_findings_pb.ts";
import type { RunRow } from "../runs/run-store.ts";
import { nothingReported } from "./examine/examine-work.ts";
import type { ExaminedWork } from "./work-report-store.ts";

/**
 * What was found about the work of a run, segment by segment: nothing where the run has no workspace; of a segment that was not reported, that nothing is proven.
 * @param work - the reports that stand
 */
export function findingsOf(
  { pins }: Pick<RunRow, "pins">,
  work: readonly ExaminedWork[],
): Pick<WorkFindingsJson, "evidence" | "lines"> {
  const found = (pins?.segments ?? []).map(
    ({ segment }): WorkFindingsJson =>
      work.find(({ report }) => report.segment === segment)?.findings ?? nothingReported,
  );
  return {
    evidence: found.flatMap(({ evidence = [] }) => evidence),
    lines: found.flatMap(({ lines = [] }) => lines),
  };
}
