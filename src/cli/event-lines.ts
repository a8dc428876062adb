import type { RefJson } from "../gen/automation/v1/ref_pb.ts";
import type {
  HandoffAnsweredJson,
  ReasonJson,
  RunEventJson,
  StatusChangedJson,
} from "../gen/automation/v1/run_event_pb.ts";
import type { VerdictJson, VerdictLineJson } from "../gen/automation/v1/verdict_pb.ts";
import { plain, shortName, tint } from "./output.ts";

/** @returns `eventLines` for the events of one run in their order: a reason is told once, with the first status that gives it */
export function createEventTeller(): (event: RunEventJson) => string[] {
  let told = "";
  return (event) => {
    const { status } = event;
    if (status?.reason === undefined || status.reason !== told) {
      told = status?.reason ?? told;
      return eventLines(event);
    }
    return eventLines({ ...event, status: { ...status, reason: "" } });
  };
}

/** @returns what a run event says, for people: one line, and one more per line of a verdict */
export function eventLines({ status, verdict, handoff, message }: RunEventJson): string[] {
  if (status !== undefined) return [statusLine(status)];
  if (verdict?.verdict !== undefined) return verdictLines(verdict.verdict);
  if (handoff !== undefined) return [handoffLine(handoff)];
  return [plain(message?.text ?? "an event this version of the program does not know")];
}

/** @returns the verdict and each of its lines, with ✓ or ✗ and the remedy of what is not met */
export function verdictLines({ passed, level, lines = [] }: VerdictJson): string[] {
  const head = passed ? tint("green", `verdict ${plain(level || "passed")}`) : tint("red", "verdict not passed");
  return [head, ...lines.map((line) => `  ${requirementLine(line)}`)];
}

/** @returns ✓ or ✗, the requirement, what was looked at, and the remedy of what is not met */
export function requirementLine({ requirementId = "", state, detail = "", remedy = "" }: VerdictLineJson): string {
  if (state === "LINE_STATE_MET") return `${tint("green", "✓")} ${plain(`${requirementId}: ${detail}`)}`;
  const found = shortName(state, "LINE_STATE_").toLowerCase();
  const what = [detail, remedy === "" ? "" : `remedy: ${remedy}`].filter((part) => part !== "").join("; ");
  return `${tint("red", "✗")} ${plain(`${requirementId}: ${found}: ${what}`)}`;
}

function statusLine({ status, outcome, reason = "" }: StatusChangedJson): string {
  const name = shortName(status, "RUN_STATUS_");
  const end = outcome === undefined || outcome === status ? "" : ` → ${shortName(outcome, "RUN_STATUS_")}`;
  return `${tint(colourOf(name), name)}${end}${reason === "" ? "" : plain(`: ${reason}`)}`;
}

function handoffLine(answer: HandoffAnsweredJson): string {
  const { receiver = "", method = "", phase, accepted, reason = "", returned = [] } = answer;
  const step = shortName(phase, "HANDOFF_PHASE_").toLowerCase();
  const ids = returned.map(refText).join(", ");
  const said = accepted ? `accepted${ids === "" ? "" : `, it answered ${ids}`}` : `refused: ${reason}`;
  return plain(`hand-off to ${receiver}: ${method} ${step} ${said}`);
}

/** @returns `sprint:S-7` */
export function refText({ kind = "", id = "" }: RefJson): string {
  return `${kind}:${id}`;
}

/** @returns code, field, value, rule and remedy of a reason, as one sentence */
export function reasonText({ code = "", field = "", value = "", rule = "", remedy = "" }: ReasonJson): string {
  const what = [field, value === "" ? "" : JSON.stringify(value)].filter((part) => part !== "").join(" ");
  return [code, what, rule, remedy].filter((part) => part !== "").join(": ");
}

function colourOf(status: string): "green" | "red" | "bold" {
  if (status === "COMPLETED") return "green";
  return ["FAILED", "CANCELLED", "TIMED_OUT"].includes(status) ? "red" : "bold";
}
