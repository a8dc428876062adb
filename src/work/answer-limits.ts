import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { BeginRunResponseSchema } from "../gen/workflows_runtime/v1/run_worker_service_pb.ts";
import type { TimedRun } from "../runs/time-limits.ts";
import { exceededLimit, noLimitBefore, reasonOfLimit } from "../runs/time-limits.ts";

/** What a worker is told about a run's time limits. @param waitsFor - what the run waits for, if known */
export function answerLimits(
  run: TimedRun,
  now: Date,
  waitsFor = "",
): Pick<MessageInitShape<typeof BeginRunResponseSchema>, "exceededLimit" | "noLimitBefore"> {
  const exceeded = exceededLimit(run, now);
  if (exceeded !== undefined)
    return { exceededLimit: { cause: exceeded.cause, reason: reasonOfLimit(run, exceeded, waitsFor) } };
  const noneBefore = noLimitBefore(run, now);
  return noneBefore === undefined ? {} : { noLimitBefore: timestampFromDate(noneBefore) };
}
