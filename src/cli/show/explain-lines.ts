import type { RequestDeliveryJson } from "../../gen/workflows_runtime/v1/delivery_pb.ts";
import type {
  ExplainRunRequestResponseJson,
  ReplayedDecisionJson,
} from "../../gen/workflows_runtime/v1/request_service_pb.ts";
import type { RuleTriedJson } from "../../gen/workflows_runtime/v1/rule_tried_pb.ts";
import type { RunJson } from "../../gen/workflows_runtime/v1/run_pb.ts";
import { limitText, reasonText, waitingText } from "./event-lines.ts";
import { factLines, shortName, shortTime } from "./output.ts";

type Fact = [string, string | undefined];

/** @returns why an event did, or did not, become a run, and what became of the run, for people */
export function explainLines(explained: ExplainRunRequestResponseJson): string[] {
  const { delivery = {}, later = [], run } = explained;
  const facts: Fact[] = [
    [
      "event",
      `${delivery.eventId || "(none)"} of ${delivery.source || "(no source)"}, type ${delivery.eventType || "(none)"}`,
    ],
    ["said to be of", shortTime(explained.eventTime)],
    ["came", `${shortTime(delivery.receivedAt)}, at ${delivery.position}`],
    ["request", delivery.requestId || "none: it could not be read as far as its data"],
    ...(explained.rulesTried ?? []).map((tried): Fact => ["tried", triedText(tried)]),
    ["decided", decisionText(delivery, explained)],
    ...(delivery.reasons ?? []).map((reason): Fact => ["because", reasonText(reason)]),
    ["left out", delivery.droppedFields?.join(" ")],
    ["correlation", explained.correlationId],
    ["caused by", explained.causationId],
    ...(explained.replays ?? []).flatMap((replay) => replayFacts(replay, explained)),
    ...(run === undefined ? [] : runFacts(run, explained)),
    ...laterFacts(later),
  ];
  return factLines(facts);
}

function replayFacts(
  { delivery = {}, rulesTried = [] }: ReplayedDecisionJson,
  explained: ExplainRunRequestResponseJson,
) {
  return [
    ...rulesTried.map((tried): Fact => ["tried", triedText(tried)]),
    ["replayed", `${shortTime(delivery.receivedAt)}, ${decisionText(delivery, explained)}`] satisfies Fact,
    ...(delivery.reasons ?? []).map((reason): Fact => ["because", reasonText(reason)]),
  ];
}

function decisionText(decided: RequestDeliveryJson, { run, chosenBy }: ExplainRunRequestResponseJson): string {
  const disposition = shortName(decided.disposition, "DISPOSITION_").toLowerCase();
  if (run === undefined || decided.runId !== run.id) return `${disposition}: no run was made`;
  const by = {
    DEFINITION_CHOICE_UNSPECIFIED: "somebody",
    DEFINITION_CHOICE_RULE: `rule ${ruleText(run.ruleId, run.ruleVersion)}`,
    DEFINITION_CHOICE_EVENT: "the event",
    DEFINITION_CHOICE_PROFILE: `the profile's binding for ${run.workKind || "its work kind"}`,
  }[chosenBy ?? "DEFINITION_CHOICE_UNSPECIFIED"];
  return `${disposition}: ${run.definitionId}@${run.definitionVersion}, named by ${by}; judged by ${run.profileId}@${run.profileVersion}`;
}

/** @returns the id with the version, as `rule get` takes it */
export const ruleText = (id = "", version = 0): string => (version === 0 ? id : `${id}@${version}`);

function triedText({ ruleId, version, shadow, result = "RULE_RESULT_UNSPECIFIED", why }: RuleTriedJson): string {
  const said = {
    RULE_RESULT_UNSPECIFIED: "says something that this version does not know",
    RULE_RESULT_MATCHED: "matches",
    RULE_RESULT_OTHER_ORG: "is for other orgs",
    RULE_RESULT_CONDITION_FALSE: "does not match: its condition is false",
    RULE_RESULT_FAILED: `failed ${why}`,
  }[result];
  return `rule ${ruleText(ruleId, version)}${shadow ? ", in shadow," : ""} ${said}`;
}

function runFacts(run: RunJson, { cause, heldUp }: ExplainRunRequestResponseJson): Fact[] {
  const status = shortName(run.status, "RUN_STATUS_");
  return [
    ["run", run.id],
    ["rerun of", run.rerunOf],
    ["queued", shortTime(run.createdAt)],
    ["admitted", after(run.admittedAt, run.createdAt)],
    ["begun", after(run.begunAt, run.admittedAt)],
    ["work begun", after(run.workBegunAt, run.begunAt)],
    [
      run.endedAt === undefined ? "is now" : "ended",
      run.endedAt === undefined ? status : `${status}, ${after(run.endedAt, run.createdAt)}`,
    ],
    ["cause", cause],
    ["reason", run.reason],
    ["waits for", run.waiting && waitingText(run.waiting)],
    ["no progress", heldUp && `${heldUp.finding} since ${shortTime(heldUp.since)}: ${heldUp.detail}`],
    ["limit", run.limit && limitText(run.limit)],
  ];
}

/** @returns the moment, and how long after another one */
function after(moment: string | undefined, before: string | undefined): string | undefined {
  if (moment === undefined || before === undefined) return shortTime(moment);
  const seconds = (Date.parse(moment) - Date.parse(before)) / 1_000;
  return `${shortTime(moment)}, after ${seconds.toFixed(1)} s`;
}

function laterFacts(later: readonly RequestDeliveryJson[]): Fact[] {
  return later.map((each) => [
    "again",
    `${shortName(each.disposition, "DISPOSITION_").toLowerCase()}, ${shortTime(each.receivedAt)}, at ${each.position}`,
  ]);
}
