import type { ArtifactRow } from "../artifacts/artifact-store.ts";
import { listArtifacts } from "../artifacts/artifact-store.ts";
import type { ResultVerdictJson, RunResultJson } from "../gen/automation/v1/run_result_pb.ts";
import type { VerdictJson } from "../gen/automation/v1/verdict_pb.ts";
import type { AttestationRow } from "../proof/attestations/attestation-store.ts";
import { listRegistered } from "../proof/attestations/attestation-store.ts";
import { resourceUri } from "../proof/statements/resource-uri.ts";
import type { OpenRun } from "../runs/in-run.ts";
import type { RunOutcome } from "../runs/run-status.ts";
import { statusToJson } from "../runs/run-status.ts";
import { longestShownReason, shownText } from "../text/strangers-text.ts";
import { unmetLines, unmetText } from "../text/unmet-lines.ts";
import type { SealRow } from "./seal-store.ts";
import { findSeal } from "./seal-store.ts";

/** Limit of each list, as JSON: a result stands three times in the Temporal history (activity result, memo, workflow result). */
const maxListBytes = 8_192;
const maxAttestations = 100;
const maxNameLength = 200;
const maxUnmet = 10;
const maxUnmetLength = 200;

type ToldRun = Pick<OpenRun, "run" | "head">;
type ToldResult = RunResultJson & { readonly outcome: ReturnType<typeof statusToJson<RunOutcome>> };

/** Reads what a sealed run left, and tells its result. @throws Error when the run is not sealed */
export async function readRunResult(open: OpenRun): Promise<ToldResult> {
  const { transaction } = open;
  const { tenant, runId } = open.run;
  const filter = { runId, reference: null, subjectSha256: null, ids: null };
  const [seal, artifacts, attestations] = await Promise.all([
    findSeal(transaction, tenant, runId),
    listArtifacts(transaction, tenant, runId),
    listRegistered(transaction, tenant, filter, undefined, maxAttestations),
  ]);
  if (seal === undefined) throw new Error(`run ${runId} has no seal to tell the result of`);
  return tellRunResult(open, { seal, artifacts, attestations });
}

/** Summary of how a sealed run ended. */
export function tellRunResult(
  { run: { tenant, runId, reason, attempt }, head: { lastSequence } }: ToldRun,
  left: {
    readonly seal: Pick<SealRow, "outcome" | "cause" | "verdict">;
    readonly artifacts: readonly Pick<ArtifactRow, "name">[];
    readonly attestations: readonly Pick<AttestationRow, "attestationId" | "name" | "outcome">[];
  },
): ToldResult {
  const { outcome, cause, verdict } = left.seal;
  const artifacts = fitting(
    left.artifacts
      .map(({ name }) => ({ name: shownText(name, maxNameLength), uri: resourceUri(tenant, "run", runId, name) }))
      .sort(byName),
  );
  const attestations = fitting(
    [...left.attestations]
      .sort((one, other) => (one.attestationId > other.attestationId ? -1 : 1))
      .slice(0, maxAttestations)
      .map(({ attestationId: id, name, outcome }) => ({ id, name: shownText(name, maxNameLength), outcome }))
      .sort(byName),
  );
  return {
    outcome: statusToJson(outcome),
    ...(cause === "" ? {} : { cause }),
    ...(reason === "" ? {} : { reason: shownText(reason, longestShownReason) }),
    ...(attempt === null ? {} : { attempts: attempt.attempt }),
    lastSequence: String(lastSequence),
    verdict: verdictInShort(verdict),
    artifacts: artifacts.first,
    ...(artifacts.others === 0 ? {} : { artifactsLeftOut: artifacts.others }),
    attestations: attestations.first,
    ...(attestations.others === 0 ? {} : { attestationsLeftOut: attestations.others }),
  };
}

const byName = (one: { readonly name: string }, other: { readonly name: string }): number =>
  one.name < other.name ? -1 : 1;

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
