import { listArtifacts } from "../artifacts/artifact-store.ts";
import type { ResultVerdictJson, RunResultJson } from "../gen/automation/v1/run_result_pb.ts";
import type { VerdictJson } from "../gen/automation/v1/verdict_pb.ts";
import { listRegistered } from "../proof/attestations/attestation-store.ts";
import { resourceUri } from "../proof/statements/resource-uri.ts";
import type { RunOutcome } from "../runs/run-status.ts";
import { statusToJson } from "../runs/run-status.ts";
import type { RunRow } from "../runs/run-store.ts";
import type { Transaction } from "../tenancy/transaction.ts";
import { longestShownReason, shownText } from "../text/strangers-text.ts";
import { unmetLines, unmetText } from "../text/unmet-lines.ts";
import { findSeal } from "./seal-store.ts";

/** Limit of each list, as JSON: a result stands three times in the Temporal history (activity result, memo, workflow result). */
const maxListBytes = 8_192;
const maxAttestations = 100;
const maxNameLength = 200;
const maxUnmet = 10;
const maxUnmetLength = 200;

/** Summary of how a sealed run ended. @throws Error when the run is not sealed */
export async function readRunResult(
  transaction: Transaction,
  { tenant, runId, reason, attempt }: Pick<RunRow, "tenant" | "runId" | "reason" | "attempt">,
): Promise<RunResultJson & { readonly outcome: ReturnType<typeof statusToJson<RunOutcome>> }> {
  const filter = { runId, reference: null, subjectSha256: null, ids: null };
  const [seal, artifacts, attestations] = await Promise.all([
    findSeal(transaction, tenant, runId),
    listArtifacts(transaction, tenant, runId),
    listRegistered(transaction, tenant, filter, undefined, maxAttestations),
  ]);
  if (seal === undefined) throw new Error(`run ${runId} has no seal to tell the result of`);
  const left = fitting(
    artifacts.map(({ name }) => ({
      name: shownText(name, maxNameLength),
      uri: resourceUri(tenant, "run", runId, name),
    })),
  );
  const signed = fitting(
    attestations
      .map(({ attestationId: id, name, outcome }) => ({ id, name: shownText(name, maxNameLength), outcome }))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
  );
  return {
    outcome: statusToJson(seal.outcome),
    ...(seal.cause === "" ? {} : { cause: seal.cause }),
    ...(reason === "" ? {} : { reason: shownText(reason, longestShownReason) }),
    ...(attempt === null ? {} : { attempts: attempt.attempt }),
    verdict: verdictInShort(seal.verdict),
    artifacts: left.first,
    ...(left.others === 0 ? {} : { artifactsLeftOut: left.others }),
    attestations: signed.first,
    ...(signed.others === 0 ? {} : { attestationsLeftOut: signed.others }),
  };
}

/** As many items as fit into `maxListBytes`, and how many do not. */
function fitting<T>(all: readonly T[]): { readonly first: T[]; readonly others: number } {
  let bytes = 0;
  const over = all.findIndex((each) => {
    bytes += Buffer.byteLength(JSON.stringify(each)) + 1;
    return bytes > maxListBytes;
  });
  const first = over === -1 ? [...all] : all.slice(0, over);
  return { first, others: all.length - first.length };
}

function verdictInShort({ passed, level, lines }: VerdictJson): ResultVerdictJson {
  return {
    passed: passed === true,
    ...(level === undefined || level === "" ? {} : { level }),
    unmet: unmetLines(lines)
      .slice(0, maxUnmet)
      .map((line) => shownText(unmetText(line), maxUnmetLength)),
  };
}
