import type { Context } from "@temporalio/activity";
import type { ActivityInboundCallsInterceptor } from "@temporalio/worker";
import { traceOfHeaders } from "../src/drivers/temporal/trace-headers.ts";
import { activitySpan } from "../src/telemetry/run-spans.ts";

/** Opens a span around each try of an activity. */
export const traceActivities = {
  activity: [
    ({ info }: Context) => {
      const inbound: ActivityInboundCallsInterceptor = {
        execute: (input, next) =>
          activitySpan(
            {
              id: `${info.workflowExecution?.runId}/${info.activityId}`,
              type: info.activityType,
              attempt: info.attempt,
              scheduledAt: new Date(info.currentAttemptScheduledTimestampMs),
              startedAt: new Date(),
              isLocal: info.isLocal,
            },
            traceOfHeaders(input.headers),
            () => next(input),
          ),
      };
      return { inbound };
    },
  ],
};
