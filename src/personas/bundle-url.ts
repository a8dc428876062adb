import type { ObjectStore } from "../artifacts/object-store.ts";
import type { GetBundleUrlResponseJson } from "../gen/agents/v1/agents_service_pb.ts";
import type { InScope } from "../tenancy/transaction.ts";
import { findBundle } from "./persona-store.ts";

/** A run's worker asks for a bundle that its run does not work with. */
export class BundleNotPinnedError extends Error {
  override readonly name = "BundleNotPinnedError";
  readonly code = "bundle_not_pinned";
  constructor(runId: string, digest: string) {
    super(`run ${runId} has not pinned a persona with digest ${digest}; ask for those that BeginRun names`);
  }
}

/** Which execution asks, for which run. */
export interface BundleScope {
  readonly tenant: string;
  readonly org: string;
  readonly runId: string;
  readonly execution: { readonly generation: number; readonly firstExecutionRunId: string };
}

const expiresSeconds = 300;

/**
 * A URL that gives a bundle for 5 minutes to whoever has it.
 * @throws BundleNotPinnedError, and what `pinnedDigests` throws
 */
export function createBundleUrl(deps: {
  readonly inScope: InScope;
  readonly urlFor: ObjectStore["urlFor"];
  /** Digests of the personas that a run works with. @throws when the run is unknown or another execution speaks for it */
  readonly pinnedDigests: (scope: BundleScope) => Promise<readonly string[]>;
}) {
  return async (scope: BundleScope, digest: string): Promise<GetBundleUrlResponseJson> => {
    const { tenant, runId } = scope;
    const pinned = await deps.pinnedDigests(scope);
    const bundle = pinned.includes(digest)
      ? await deps.inScope(scope, (transaction) => findBundle(transaction, tenant, digest))
      : undefined;
    if (bundle === undefined) throw new BundleNotPinnedError(runId, digest);
    const url = await deps.urlFor(bundle.objectKey, { fileName: `${bundle.id}-${bundle.version}.tar`, expiresSeconds });
    return { url, sizeBytes: String(bundle.sizeBytes) };
  };
}
