import type { MessageInitShape } from "@bufbuild/protobuf";
import { fromJson } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { ReferencesSchema } from "../gen/automation/v1/ref_pb.ts";
import { RunStatus } from "../gen/automation/v1/run_event_pb.ts";
import type { RunSchema } from "../gen/workflows_runtime/v1/run_pb.ts";
import { toDesiredState } from "./desired-state.ts";
import type { RunRow } from "./run-store.ts";

/** A run as people see it. @param row.lastSequence - of its event stream */
export function toRunMessage(
  row: RunRow & { readonly lastSequence: number; readonly workflowId: string },
): MessageInitShape<typeof RunSchema> {
  const { runId: id, references, status, desiredState, lastSequence, deadlineAt, ...rest } = row;
  const { tenant, org, reason, definitionId, definitionVersion, definitionDigest, profileId, profileVersion } = rest;
  const { profileDigest, workKind, source, eventId, requestId, generation, workflowId } = rest;
  return {
    ...{ id, tenant, org, reason, definitionId, definitionVersion, definitionDigest, profileId, profileVersion },
    ...{ profileDigest, workKind, source, eventId, requestId, generation, workflowId },
    status: RunStatus[status],
    references: fromJson(ReferencesSchema, references, { ignoreUnknownFields: true }),
    desiredState: toDesiredState(desiredState),
    ruleId: rest.ruleId ?? "",
    correlationId: rest.correlationId ?? "",
    traceparent: rest.traceparent ?? "",
    lastSequence: BigInt(lastSequence),
    createdAt: timestampFromDate(rest.createdAt),
    startedAt: rest.startedAt === null ? undefined : timestampFromDate(rest.startedAt),
    begunAt: rest.begunAt === null ? undefined : timestampFromDate(rest.begunAt),
    endedAt: rest.endedAt === null ? undefined : timestampFromDate(rest.endedAt),
    deadline: timestampFromDate(deadlineAt),
  };
}
