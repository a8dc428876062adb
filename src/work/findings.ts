import type { VerdictLineJson } from "../gen/automation/v1/verdict_pb.ts";
import type { WorkFindingsJson } from "../gen/automation/v1/work_findings_pb.ts";
import type { RunRow } from "../runs/run-store.ts";
import { nothingReported } from "./examine/examine-work.ts";
import type { ExaminedWork } from "./work-report-store.ts";

/** What a gate looks at: one statement, existing or about to be made. */
export interface Evidence {
  /** Kind of attestation: `agent-run`, `test-result` … */
  readonly kind: string;
  /** What it states: `COMPLETED`, `PASSED` … */
  readonly outcome: string;
  /** Who saw the facts: `worker-observed`, `agent-reported` … */
  readonly vantage: string;
  /** For people: why it is not the outcome that was hoped for. */
  readonly why?: string;
}

/** The evidence that a run's work was found to be worth. */
export function evidenceOf({ evidence = [] }: WorkFindingsJson = {}): Evidence[] {
  return evidence.map(({ kind = "", outcome = "", vantage = "", why }) => ({ kind, outcome, vantage, why }));
}

/** What an end of a run is judged by: nothing where no work was to be done; where none was reported, that nothing is proven. */
export function findingsOf(
  { pins }: Pick<RunRow, "pins">,
  work: ExaminedWork | undefined,
): { readonly evidence: readonly Evidence[]; readonly lines: readonly VerdictLineJson[] } {
  if (pins === null) return { evidence: [], lines: [] };
  const found = work?.findings ?? nothingReported;
  return { evidence: evidenceOf(found), lines: found.lines ?? [] };
}
