import type { WorkflowExecuteInput, WorkflowInterceptors } from "@temporalio/workflow";

/** Hands the headers of the workflow's start on to its activities. It opens no spans and changes no command, so replay can't differ by it. */
export function interceptors(): WorkflowInterceptors {
  let carried: WorkflowExecuteInput["headers"] = {};
  return {
    inbound: [
      {
        execute(input, next) {
          carried = input.headers;
          return next(input);
        },
      },
    ],
    outbound: [
      {
        scheduleActivity: (input, next) => next({ ...input, headers: { ...carried, ...input.headers } }),
        scheduleLocalActivity: (input, next) => next({ ...input, headers: { ...carried, ...input.headers } }),
      },
    ],
  };
}
