import { randomUUID } from "node:crypto";
import { workflowIdOf } from "../../drivers/temporal/contract.ts";
import { createCancelRun } from "../../runs/cancel-run.ts";
import { createDescribeRun } from "../../runs/describe-run.ts";
import { createInRun, tellAppended } from "../../runs/in-run.ts";
import { createListRuns } from "../../runs/list-runs.ts";
import { createWatchRuns } from "../../runs/stream/watch-run.ts";
import type { InScope } from "../../tenancy/transaction.ts";

const heartbeatMs = 10_000;

/** List, describe, watch and cancel runs; and `inRun`, by which all rooms above write to a run. */
export function wireRuns(deps: {
  readonly inScope: InScope;
  readonly inReadScope: InScope;
  readonly now: () => Date;
  readonly onAppended: (run: { readonly tenant: string; readonly runId: string }) => void;
  readonly onCommand: () => void;
  readonly onError: (error: unknown) => void;
}) {
  const { inScope, inReadScope, now, onAppended, onCommand, onError } = deps;
  const inRun = tellAppended(createInRun({ inScope, now }), onAppended);
  return {
    inRun,
    cancelRun: createCancelRun({ inRun, workflowIdOf, newId: randomUUID, now, onCommand }),
    describeRun: createDescribeRun({ inScope: inReadScope, workflowIdOf }),
    listRuns: createListRuns({ inScope: inReadScope, workflowIdOf }),
    watchRuns: createWatchRuns({ inScope, heartbeatMs, onError }),
  };
}
