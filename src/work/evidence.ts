import type { WorkFindingsJson } from "../gen/automation/v1/work_findings_pb.ts";

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
