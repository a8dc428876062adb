import type { VerdictJson } from "../../gen/automation/v1/verdict_pb.ts";

/**
 * Adds to each line of a verdict the digests of the statements that state its evidence.
 * A verdict in the event log has none: the run's own statement names the digest of that log, so the log can't name the digest of the statement.
 * @param statements - each is named as the evidence that it states
 */
export function citeStatements(
  verdict: VerdictJson,
  statements: readonly { readonly name: string; readonly sha256: string }[],
): VerdictJson {
  const lines = (verdict.lines ?? []).map((line) => {
    const stated = statements.filter(({ name }) => line.evidenceIds?.includes(name));
    return stated.length === 0 ? line : { ...line, evidenceSha256: stated.map(({ sha256 }) => sha256) };
  });
  return { ...verdict, lines };
}
