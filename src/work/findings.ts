import type { WorkFindingsJson } from "../gen/automation/v1/work_findings_pb.ts";
import type { RunRow } from "../runs/run-store.ts";
import { nothingReported } from "./examine/examine-work.ts";
import type { ExaminedWork } from "./work-report-store.ts";

/** What was found about the work of a run: nothing where the run has no workspace; where no work was reported, that nothing is proven. */
export function findingsOf({ pins }: Pick<RunRow, "pins">, work: ExaminedWork | undefined): WorkFindingsJson {
  if (pins === null) return {};
  return work?.findings ?? nothingReported;
}
