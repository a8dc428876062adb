import { enumToJson } from "@bufbuild/protobuf";
import { RunStatusSchema } from "../gen/automation/v1/run_event_pb.ts";
import type { RunJson } from "../gen/workflows_runtime/v1/run_pb.ts";
import type {
  ListWorkflowRunsRequest,
  ListWorkflowRunsResponseJson,
} from "../gen/workflows_runtime/v1/workflow_service_pb.ts";
import { decodePageToken, encodePageToken, pageSizeOf } from "../tenancy/page-token.ts";
import type { InScope, Scope } from "../tenancy/transaction.ts";
import { idsThatBegin } from "../tenancy/uuid.ts";
import type { WorkflowIdOf } from "./run-json.ts";
import { runToJson } from "./run-json.ts";
import { listRuns } from "./run-list-store.ts";
import type { RunStatus } from "./run-status.ts";

export type ListRuns = (request: ListWorkflowRunsRequest, scope: Scope) => Promise<ListWorkflowRunsResponseJson>;

/** A list shows only the digest of the policy; describing a run shows the policy itself. */
function withoutPolicy({ pins, ...run }: RunJson): RunJson {
  if (pins === undefined) return run;
  const { policy: _, ...others } = pins;
  return { ...run, pins: others };
}

/**
 * Lists the runs of a scope, newest first, filtered by status, profile and reference: of the request, a parent of one, or one that a receiver returned.
 * @throws InvalidPageTokenError
 */
export function createListRuns(deps: { readonly inScope: InScope; readonly workflowIdOf: WorkflowIdOf }): ListRuns {
  return async ({ status, profileId, reference, idPrefix, pageSize, pageToken }, scope) => {
    const after = decodePageToken(pageToken);
    const size = pageSizeOf(pageSize);
    const ids = idPrefix === "" ? null : idsThatBegin(idPrefix);
    if (ids === undefined) return {};
    const filter = {
      status: statusOf(status),
      profileId: profileId === "" ? null : profileId,
      reference: reference === undefined ? null : { kind: reference.kind, id: reference.id.normalize("NFC").trim() },
      ids,
    };
    const rows = await deps.inScope(scope, (transaction) =>
      listRuns(transaction, scope.tenant, filter, after, size + 1),
    );
    const page = rows.slice(0, size);
    const last = page.at(-1);
    const hasMore = rows.length > size && last !== undefined;
    return {
      runs: page.map((run) => withoutPolicy(runToJson(run, deps.workflowIdOf))),
      nextPageToken: hasMore ? encodePageToken({ at: last.createdAt, id: last.runId }) : "",
    };
  };
}

function statusOf(status: ListWorkflowRunsRequest["status"]): RunStatus | null {
  const name = enumToJson(RunStatusSchema, status);
  return name === "RUN_STATUS_UNSPECIFIED" ? null : (name.slice("RUN_STATUS_".length) as RunStatus);
}
