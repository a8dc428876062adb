import type { ObjectStore } from "../artifacts/object-store.ts";
import type { GetBundleUrlResponseJson } from "../gen/agents/v1/agents_service_pb.ts";
import { findBundle } from "../personas/persona-store.ts";
import { UnknownRunError } from "../runs/in-run.ts";
import { assertOpen } from "../runs/run-status.ts";
import { findRun } from "../runs/run-store.ts";
import { assertSpeaksFor } from "../runs/speaker.ts";
import type { InScope } from "../tenancy/transaction.ts";
import type { WorkScope } from "./late-attempt.ts";

/** A worker asks for a bundle that its run has not pinned. */
class BundleNotPinnedError extends Error {
  override readonly name = "BundleNotPinnedError";
  readonly code = "bundle_not_pinned";
  constructor(runId: string, digest: string) {
    super(`run ${runId} has not pinned a persona with digest ${digest}; ask for those that BeginRun names`);
  }
}

const expiresSeconds = 300;

/**
 * Gives a worker a URL of a persona's bundle that is valid for 5 minutes. The run must have pinned the bundle, and the caller must be its current execution. Whoever has the URL can read the bundle.
 * @throws UnknownRunError, SupersededExecutionError, RunEndedError, BundleNotPinnedError
 */
export function createBundleUrl(deps: { readonly inScope: InScope; readonly urlFor: ObjectStore["urlFor"] }) {
  return async (scope: WorkScope, digest: string): Promise<GetBundleUrlResponseJson> => {
    const { tenant, runId } = scope;
    const bundle = await deps.inScope(scope, async (transaction) => {
      const run = await findRun(transaction, tenant, runId);
      if (run === undefined) throw new UnknownRunError(runId);
      assertSpeaksFor(run, scope.execution);
      assertOpen(run);
      const isPinned = (run.pins?.personas ?? []).some((pinned) => pinned.digest === digest);
      return isPinned ? findBundle(transaction, tenant, digest) : undefined;
    });
    if (bundle === undefined) throw new BundleNotPinnedError(runId, digest);
    const url = await deps.urlFor(bundle.objectKey, { fileName: `${bundle.id}-${bundle.version}.tar`, expiresSeconds });
    return { url, sizeBytes: String(bundle.sizeBytes) };
  };
}
