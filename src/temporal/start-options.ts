import type { WorkflowStartOptions } from "@temporalio/client";
import { defineSearchAttributeKey } from "@temporalio/common";
import type { RunToStart } from "../dispatch/workflows.ts";
import type { ReferencesJson, RefJson } from "../gen/automation/v1/ref_pb.ts";
import type { RunInput, searchAttributes } from "./contract.ts";
import { controlTaskQueue, workflowIdOf, workflowTaskTimeout } from "./contract.ts";

const keyword = (name: KeywordName) => defineSearchAttributeKey(name, "KEYWORD");
const keywordList = (name: KeywordListName) => defineSearchAttributeKey(name, "KEYWORD_LIST");

type Named<T> = {
  [N in keyof typeof searchAttributes]: (typeof searchAttributes)[N] extends T ? N : never;
}[keyof typeof searchAttributes];
type KeywordName = Named<"Keyword">;
type KeywordListName = Named<"KeywordList">;

/** The server refuses a search attribute above 2 KiB; this leaves room for its encoding. */
const maxListBytes = 1_900;
/** References above this size stand in Postgres only: they would weigh on every history. */
const maxMemoBytes = 16_384;
/** Temporal's own limit of a run comes so much after all of the run's own, in seconds. */
const graceSeconds = 24 * 60 * 60;

/**
 * How the workflow of a run is started: once per generation, whoever asks and however often.
 * Search attributes are for finding a run in Temporal's pages; lists that are too long for it are cut, and Postgres answers in full.
 */
export function startOptionsOf(run: RunToStart): WorkflowStartOptions<(input: RunInput) => Promise<void>> {
  const { tenant, org, runId, generation, startCapability, traceparent, tracestate, references } = run;
  return {
    workflowId: workflowIdOf(tenant, runId, generation),
    workflowIdConflictPolicy: "USE_EXISTING",
    workflowIdReusePolicy: "REJECT_DUPLICATE",
    taskQueue: controlTaskQueue,
    workflowTaskTimeout,
    workflowExecutionTimeout:
      (run.queueLimitSeconds + run.workLimitSeconds + run.handoffLimitSeconds + graceSeconds) * 1_000,
    priority: { priorityKey: run.priority, fairnessKey: tenant },
    args: [
      {
        tenant,
        org,
        runId,
        generation,
        startCapability,
        ...(traceparent === null ? {} : { traceparent }),
        ...(tracestate === null ? {} : { tracestate }),
      },
    ],
    typedSearchAttributes: [
      { key: keyword("TenantId"), value: tenant },
      { key: keyword("OrgId"), value: org },
      { key: keyword("MethodologyProfileId"), value: run.profileId },
      { key: keyword("CadenceId"), value: run.cadenceId },
      { key: keyword("EventId"), value: run.eventId },
      { key: keywordList("WorkItemIds"), value: idsOf(references.workItems) },
      { key: keywordList("TimeboxIds"), value: idsOf(references.timeboxes) },
      { key: keywordList("GoalIds"), value: idsOf(references.goals) },
    ],
    memo: {
      definition: `${run.definitionId}@${run.definitionVersion}`,
      profile: `${run.profileId}@${run.profileVersion}`,
      ...memoOf(references),
    },
  };
}

function idsOf(refs: readonly RefJson[] = []): string[] {
  const ids: string[] = [];
  let bytes = 0;
  for (const { id = "" } of refs) {
    bytes += Buffer.byteLength(JSON.stringify(id)) + 1;
    if (bytes > maxListBytes) break;
    ids.push(id);
  }
  return ids;
}

function memoOf(references: ReferencesJson): { references?: ReferencesJson } {
  return Buffer.byteLength(JSON.stringify(references)) > maxMemoBytes ? {} : { references };
}
