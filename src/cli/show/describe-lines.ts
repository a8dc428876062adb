import type { ReferencesJson } from "../../gen/automation/v1/ref_pb.ts";
import type { HandoffCallJson } from "../../gen/workflows_runtime/v1/handoff_call_pb.ts";
import type { RunJson } from "../../gen/workflows_runtime/v1/run_pb.ts";
import type { DescribeWorkflowRunResponseJson } from "../../gen/workflows_runtime/v1/workflow_service_pb.ts";
import { attemptText, cancelText, limitText, refText, verdictLines, waitingText } from "./event-lines.ts";
import { ruleText } from "./explain-lines.ts";
import { factLines, plain, shortName, shortTime, tableLines, wrapLine } from "./output.ts";
import { tint } from "./terminal.ts";

/** @returns a run with its verdict, hand-offs and impediment, for people */
export function describeLines(described: DescribeWorkflowRunResponseJson): string[] {
  const { run = {}, request = {}, verdict, handoffCalls = [], impediment } = described;
  return [
    ...factLines(runFacts(run, request.goal)),
    ...(verdict === undefined ? [] : ["", ...verdictLines(verdict).flatMap(wrapped)]),
    ...(handoffCalls.length === 0 ? [] : ["", ...tableLines(handoffCalls, callColumns)]),
    ...(impediment === undefined
      ? []
      : [
          "",
          tint("red", plain(`impediment ${impediment.id ?? ""}: ${impediment.cause ?? ""}`)),
          ...factLines(
            [
              ["summary", impediment.summary],
              ["occurrences", impediment.occurrences],
              ["theirs", impediment.remoteId],
            ],
            2,
          ).map((line) => `  ${line}`),
        ]),
  ];
}

/** Wraps a line that does not fit; continuation lines are indented by two more. */
function wrapped(line: string): string[] {
  const begin = /^ */.exec(line)?.[0] ?? "";
  const [first = "", ...more] = wrapLine(line.slice(begin.length), begin.length + 2);
  return [`${begin}${first}`, ...more.map((next) => `${begin}  ${next}`)];
}

function runFacts(run: RunJson, goal: string | undefined): [string, string | undefined][] {
  return [
    ["run", run.id],
    ["status", shortName(run.status, "RUN_STATUS_")],
    ["reason", run.reason],
    ["cancel", run.cancel && cancelText(run.cancel)],
    ["attempt", run.attempt && attemptText(run.attempt).replace("attempt ", "")],
    ["goal", goal],
    ["definition", versioned(run.definitionId, run.definitionVersion)],
    ["profile", versioned(run.profileId, run.profileVersion)],
    ["rule", run.ruleId && ruleText(run.ruleId, run.ruleVersion)],
    ["rerun of", run.rerunOf],
    ["work kind", run.workKind],
    ["repository", repositoryText(run)],
    ["personas", run.pins?.personas?.map(({ stepId, id, version }) => `${stepId}: ${id}@${version}`).join(", ")],
    ["isolation", shortName(run.pins?.isolation, "ISOLATION_CLASS_").toLowerCase()],
    ["policy", run.pins?.policyDigest],
    ["references", referenceTexts(run.references ?? {}).join(" ")],
    ["source", run.source],
    ["event", run.eventId],
    ["request", run.requestId],
    ["correlation", run.correlationId],
    ["workflow", run.workflowId],
    ["generation", generationText(run.generation)],
    ["events", run.lastSequence],
    ["created", shortTime(run.createdAt)],
    ["begun", shortTime(run.begunAt)],
    ["work begun", shortTime(run.workBegunAt)],
    ["ended", shortTime(run.endedAt)],
    ["deadline", shortTime(run.deadline)],
    ["limit", run.limit && limitText(run.limit)],
    ["waits for", run.waiting && waitingText(run.waiting)],
  ];
}

/** @returns the generation of a run that was restarted */
function generationText(generation = 1): string {
  return generation === 1 ? "" : `${generation}: the Temporal workflow before it was lost`;
}

function repositoryText({ pins, baseCommit }: RunJson): string {
  const { id, ref } = pins?.repository ?? {};
  if (id === undefined) return "";
  return `${id} ${ref}${baseCommit === undefined ? "" : ` at ${baseCommit}`}`;
}

const versioned = (id = "", version = "") => (id === "" ? "" : `${id}@${version}`);

function referenceTexts({ timeboxes = [], goals = [], workItems = [], elements = [] }: ReferencesJson): string[] {
  return [...timeboxes, ...goals, ...workItems, ...elements].map(refText);
}

const callColumns = [
  { title: "HAND-OFF", of: ({ receiver, rpc }: HandoffCallJson) => `${receiver} ${rpc}` },
  { title: "PHASE", of: ({ phase }: HandoffCallJson) => shortName(phase, "HANDOFF_PHASE_") },
  { title: "STATE", of: ({ state }: HandoffCallJson) => shortName(state, "HANDOFF_STATE_") },
  { title: "ATTEMPTS", of: ({ attempts }: HandoffCallJson) => attempts },
  { title: "NEXT", of: ({ nextAttemptAt }: HandoffCallJson) => shortTime(nextAttemptAt) },
  { title: "LAST ERROR", of: ({ lastError }: HandoffCallJson) => lastError },
];
