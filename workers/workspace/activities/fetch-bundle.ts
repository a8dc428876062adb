import type { RunScope } from "../../../src/temporal/contract.ts";
import { executionOf } from "../../automation/activities/control-activities.ts";
import type { RunApi } from "./run-api.ts";

const limitMs = 30_000;
/** What the api takes at most, and so keeps. */
const bundleBytes = 4 * 1024 * 1024;

/** Gets the bytes of a bundle that the run pinned; whether they are the right ones is for the cache to check. @throws ConnectError, Error */
export async function fetchBundle(api: RunApi, scope: RunScope, digest: string, signal: AbortSignal): Promise<Buffer> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
  const { url, sizeBytes } = await api.agents.getBundleUrl(
    { execution: executionOf(scope), digest },
    { signal: limit },
  );
  if (sizeBytes > bundleBytes)
    throw new Error(`bundle ${digest} has ${sizeBytes} bytes; at most ${bundleBytes} are taken`);
  const answer = await fetch(url, { signal: limit });
  if (!answer.ok) throw new Error(`the store answered ${answer.status} for bundle ${digest}`);
  return Buffer.from(await answer.arrayBuffer());
}
