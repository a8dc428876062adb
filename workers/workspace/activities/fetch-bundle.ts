import type { RunScope } from "../../../src/drivers/temporal/contract.ts";
import { executionOf } from "../../automation/activities/control-activities.ts";
import type { RunApi } from "./run-api.ts";
import { isFinalAnswer } from "./run-api.ts";
import { AwayError } from "./work-failure.ts";

const limitMs = 30_000;
/** The api stores no larger bundle. */
const bundleBytes = 4 * 1024 * 1024;

/** Downloads a bundle that the run pinned. The cache checks its digest. @throws AwayError when a repetition may succeed; ConnectError, Error */
export async function fetchBundle(api: RunApi, scope: RunScope, digest: string, signal: AbortSignal): Promise<Buffer> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
  const asked = { execution: executionOf(scope), digest };
  const { url, sizeBytes } = await api.agents.getBundleUrl(asked, { signal: limit }).catch((error: unknown) => {
    throw isFinalAnswer(error) ? error : new AwayError("the api does not answer", { cause: error });
  });
  if (sizeBytes > bundleBytes)
    throw new Error(`bundle ${digest} has ${sizeBytes} bytes; at most ${bundleBytes} are taken`);
  const away = (cause: unknown) => {
    throw new AwayError("the object store does not answer", { cause });
  };
  const answer = await fetch(url, { signal: limit }).catch(away);
  if (!answer.ok) throw new AwayError(`the object store answers ${answer.status} for bundle ${digest}`);
  return Buffer.from(await answer.arrayBuffer().catch(away));
}
