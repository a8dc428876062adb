import type { VerdictJson } from "../../gen/automation/v1/verdict_pb.ts";
import { resourceUri } from "./resource-uri.ts";
import { subjectOf } from "./run-subject.ts";
import type { RunEnd, Statement } from "./statement.ts";
import { writeStatement } from "./statement.ts";

export const verificationSummaryType = "https://slsa.dev/verification_summary/v1";

/**
 * The verdict as a SLSA verification summary; every end has one. The lines are in an extension field, which by the format is named by a URI.
 * The digests of `inputAttestations` are those of the statements (the DSSE payloads): the envelopes do not exist before the end is decided.
 * @see https://slsa.dev/spec/v1.2/verification_summary
 */
export function verificationSummary(end: RunEnd, verdict: VerdictJson, inputs: readonly Statement[]): Statement {
  const { baseUri, run, log, at } = end;
  const outcome = verdict.passed === true ? "PASSED" : "FAILED";
  const { kind, id } = subjectOf(run);
  return writeStatement(end, log, {
    kind: "vsa",
    predicateType: verificationSummaryType,
    outcome,
    predicate: {
      verifier: { id: `${baseUri}/verifier/${run.tenant}` },
      timeVerified: at.toISOString(),
      resourceUri: resourceUri(run.tenant, run.method, kind, id),
      policy: {
        uri: resourceUri(run.tenant, "profile", run.profileId, run.profileVersion),
        digest: { sha256: run.profileDigest },
      },
      inputAttestations: inputs.map((input) => ({
        uri: resourceUri(run.tenant, "attestation", input.attestationId),
        digest: { sha256: input.sha256 },
      })),
      verificationResult: outcome,
      verifiedLevels: [verdict.passed === true ? (verdict.level ?? "") : "FAILED"],
      [`${baseUri}/verdict-lines/v1`]: verdict.lines ?? [],
    },
  });
}
