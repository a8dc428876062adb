import { createHash } from "node:crypto";
import type { WorkflowStartOptions } from "@temporalio/client";
import { defineSearchAttributeKey } from "@temporalio/common";
import type { RunToStart } from "../../admission/workflows.ts";
import type { ReferencesJson, RefJson } from "../../gen/automation/v1/ref_pb.ts";
import type { RunInput, RunResult, searchAttributes } from "./contract.ts";
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
/** Larger references are kept in Postgres only: the memo is part of every history. */
const maxMemoBytes = 16_384;
/** Temporal's execution timeout is this much longer than all limits of the run together, in seconds. */
const graceSeconds = 24 * 60 * 60;

/**
 * How the workflow of a run is started: once per generation, however often it is asked for.
 * Search attributes help to find a run in Temporal's UI. Lists that are too long for it are cut; Postgres has all of them.
 */
export function startOptionsOf(run: RunToStart): WorkflowStartOptions<(input: RunInput) => Promise<RunResult>> {
  const { tenant, org, runId, generation, startCapability, traceparent, tracestate, goal, personas } = run;
  const references = referenceIds(run.references);
  const cadence = run.references.timeboxes?.find(({ id }) => id === run.cadenceId);
  return {
    workflowId: workflowIdOf(tenant, runId, generation),
    workflowIdConflictPolicy: "USE_EXISTING",
    workflowIdReusePolicy: "REJECT_DUPLICATE",
    taskQueue: controlTaskQueue,
    workflowTaskTimeout,
    workflowExecutionTimeout:
      (run.queueLimitSeconds + run.workLimitSeconds + run.handoffLimitSeconds + graceSeconds) * 1_000,
    priority: { priorityKey: run.priority, fairnessKey: fairnessKeyOf(run) },
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
      { key: keyword("DefinitionId"), value: run.definitionId },
      { key: keyword("MethodologyProfileId"), value: run.profileId },
      ...(cadence === undefined ? [] : [{ key: keyword("CadenceId"), value: referenceId(cadence) }]),
      { key: keyword("EventId"), value: run.eventId },
      { key: keywordList("PersonaKeys"), value: atMost(maxListBytes, [...new Set(personas.map(({ id }) => id))]) },
      { key: keywordList("ReferenceIds"), value: atMost(maxListBytes, references) },
    ],
    memo: {
      ...(goal === "" ? {} : { goal }),
      definition: `${run.definitionId}@${run.definitionVersion}`,
      profile: `${run.profileId}@${run.profileVersion}`,
      ...(personas.length === 0 ? {} : { personas: personas.map(({ id, version }) => `${id}@${version}`) }),
      ...(sizeOf(references) > maxMemoBytes ? {} : { references }),
    },
  };
}

/** Runs that take turns as one here do so in Temporal's task queues. Its keys have at most 64 bytes: of longer ones it gets a digest. */
function fairnessKeyOf({ tenant, fairnessKey }: RunToStart): string {
  const key = fairnessKey === "" ? tenant : `${tenant}/${fairnessKey}`;
  return Buffer.byteLength(key) <= 64 ? key : createHash("sha256").update(key).digest("hex");
}

/** As the program takes it: `automation run list --ref sprint:S-7` */
const referenceId = ({ kind = "", id = "" }: RefJson): string => `${kind}:${id}`;

/** What finds the run by `--ref`: its own references, the most particular first, then what these belong to. */
function referenceIds({ workItems = [], goals = [], timeboxes = [], elements = [] }: ReferencesJson): string[] {
  const own = [...workItems, ...goals, ...timeboxes, ...elements];
  return [...new Set([...own, ...own.flatMap(parentsOf)].map(referenceId))];
}

function parentsOf({ parent }: RefJson): RefJson[] {
  return parent === undefined ? [] : [parent, ...parentsOf(parent)];
}

const sizeOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

/** The first of them, as many as fit. */
function atMost(bytes: number, texts: readonly string[]): string[] {
  let left = bytes;
  const over = texts.findIndex((text) => {
    left -= sizeOf(text) + 1;
    return left < 0;
  });
  return over === -1 ? [...texts] : texts.slice(0, over);
}
