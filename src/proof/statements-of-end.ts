import type { VerdictJson } from "../gen/automation/v1/verdict_pb.ts";
import type { ProfileJson } from "../gen/governance/v1/profile_pb.ts";
import { agentRunStatement } from "./statements/agent-run.ts";
import { provenanceStatement } from "./statements/provenance.ts";
import type { RunEnd, Statement } from "./statements/statement.ts";
import { verificationSummary } from "./statements/verification-summary.ts";
import { citeEvidence } from "./verdict.ts";

/** Everything that is stated about the end of a run. */
export interface EndProof {
  readonly statements: readonly Statement[];
  /** The verification summary among them. */
  readonly summary: Statement;
  /** The verdict, its met lines naming the statements behind them. */
  readonly verdict: VerdictJson;
}

/** Writes the statements of an end: agent-run and verification summary always, provenance for COMPLETED only. */
export function statementsOfEnd(end: RunEnd, profile: Pick<ProfileJson, "gate">, judged: VerdictJson): EndProof {
  const { outcome } = end;
  const evidence = [
    agentRunStatement(end),
    ...(outcome === "COMPLETED" ? [provenanceStatement({ ...end, outcome })] : []),
  ];
  const verdict = outcome === "COMPLETED" ? citeEvidence(judged, profile, evidence) : judged;
  const summary = verificationSummary(end, verdict, evidence);
  return { statements: [...evidence, summary], summary, verdict };
}
