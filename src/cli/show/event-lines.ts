import type { RefJson } from "../../gen/automation/v1/ref_pb.ts";
import type {
  HandoffAnsweredJson,
  ReasonJson,
  RunEventJson,
  StatusChangedJson,
  StepChangedJson,
  TestsReadJson,
  TimeLimitJson,
  TreeCapturedJson,
  WorkspacePreparedJson,
  WorkWaitingJson,
} from "../../gen/automation/v1/run_event_pb.ts";
import type { VerdictJson, VerdictLineJson } from "../../gen/automation/v1/verdict_pb.ts";
import type { CancelRequestedJson, WorkAttemptJson } from "../../gen/workflows_runtime/v1/run_pb.ts";
import { plain, shortName, shortTime } from "./output.ts";
import { tint } from "./terminal.ts";

/** @returns a function like `eventLines` for the events of one run, in order; a reason is shown only with the first status that has it */
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

/** @returns a run event for people: one line, and more for the lines of a verdict, failed tests or a plan */
export function eventLines(event: RunEventJson): string[] {
  const { status, verdict, handoff, workspace, step, tests, captured, waiting, takenUp } = event;
  if (status !== undefined) return [statusLine(status)];
  if (verdict?.verdict !== undefined) return verdictLines(verdict.verdict);
  if (handoff !== undefined) return [handoffLine(handoff)];
  if (workspace !== undefined) return [workspaceLine(workspace)];
  if (step !== undefined) return [stepLine(step)];
  if (tests !== undefined) return testsLines(tests);
  if (captured !== undefined) return [capturedLine(captured)];
  if (waiting !== undefined) return [tint("red", plain(`waits for: ${waitingText(waiting)}`))];
  if (takenUp !== undefined) return [tint("red", plain(`the work begins anew: ${attemptText(takenUp)}`))];
  return saidLines(event);
}

/** Output of a step or its persona, prefixed with the step's name since it is not verified. */
function saidLines({ message, plan, tool, artifact, progress }: RunEventJson): string[] {
  const said = message ?? plan ?? tool ?? artifact ?? progress;
  const who = said?.stepId === undefined ? "" : `${tint("dim", `${plain(said.stepId)} │`)} `;
  const lines = [
    ...(message === undefined ? [] : (message.text ?? "").trimEnd().split("\n")),
    ...(plan?.items ?? []).map(({ text, done }) => `${done ? "☑" : "☐"} ${text ?? ""}`),
    ...(tool === undefined
      ? []
      : [[tool.name, shortName(tool.phase, "TOOL_PHASE_").toLowerCase(), tool.detail].join(" ")]),
    ...(artifact === undefined ? [] : [`${artifact.path ?? ""} ${artifact.title ?? ""}`]),
    ...(progress === undefined ? [] : [`${progress.percent ?? 0} % ${progress.text ?? ""}`]),
    ...(message?.truncated ? ["… more was left out"] : []),
  ];
  if (lines.length === 0) return ["an event this version of the program does not know"];
  return lines.map((line) => `${who}${plain(line)}`.trimEnd());
}

function workspaceLine({ attempt = 1, repositoryId, ref, baseCommit = "", sandbox }: WorkspacePreparedJson): string {
  const claims = sandbox?.claims ?? [];
  const box = `box of class ${shortName(sandbox?.isolation, "ISOLATION_CLASS_").toLowerCase()}, ${claims.length} claims proven`;
  const again = attempt > 1 ? `, attempt ${attempt}` : "";
  return plain(`workspace: ${repositoryId} ${ref} at ${baseCommit.slice(0, 12)}, ${box}${again}`);
}

function stepLine({ stepId, state, cause, reason, limit }: StepChangedJson): string {
  if (state === "STEP_STATE_STARTED") return plain(`step ${stepId}`);
  if (state === "STEP_STATE_DONE") return `${tint("green", "✓")} ${plain(`step ${stepId}`)}`;
  const bound = limit === undefined ? "" : `${limit.name} limit (${limit.mechanism}): `;
  return `${tint("red", "✗")} ${plain(`step ${stepId}: ${cause}: ${bound}${reason}`)}`;
}

/** @returns counts of tests, and the names of those that failed */
function testsLines({ stepId, onBase, counts = {}, failed = [], fault }: TestsReadJson): string[] {
  const what = `tests ${stepId} ${onBase ? "on the base" : "on what was captured"}`;
  if (fault !== undefined) return [tint("red", plain(`${what}: no report that counts: ${fault}`))];
  const told = (["passed", "failed", "errored", "skipped"] as const).flatMap((state) =>
    counts[state] === undefined ? [] : [`${counts[state]} ${state}`],
  );
  return [
    plain(`${what}: ${told.join(", ") || "none"}`),
    ...failed.map((name) => `  ${tint("red", "✗")} ${plain(name)}`),
  ];
}

function capturedLine({ gitTree = "", changedFiles = 0, skippedFiles = 0, partial }: TreeCapturedJson): string {
  const files = `${changedFiles} ${changedFiles === 1 ? "file" : "files"} changed`;
  const left = skippedFiles === 0 ? "" : `, ${skippedFiles} not in it`;
  return plain(`captured tree ${gitTree.slice(0, 12)}: ${files}${left}${partial ? ", partial" : ""}`);
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

/** @returns for example `object store answers 507 (attempt 4, goes on at 12:00:05 or later)` */
export function waitingText({ reason, attempt, nextAttemptAt, since }: WorkWaitingJson): string {
  const from = since === undefined ? "" : `since ${shortTime(since)}, `;
  return `${reason ?? ""} (${from}attempt ${attempt ?? 0}, goes on at ${shortTime(nextAttemptAt)} or later)`;
}

/** @returns for example `attempt 2; how the one before ended: its worker was lost`; empty for the first */
export function attemptText({
  attempt = 0,
  previousEnd = "",
}: Pick<WorkAttemptJson, "attempt" | "previousEnd">): string {
  return attempt <= 1 ? "" : `attempt ${attempt}; how the one before ended: ${previousEnd}`;
}

/** @returns for example `asked by paula at 2026-01-01T12:00:00Z: wrong item` */
export function cancelText({ principal = "", reason = "", at }: CancelRequestedJson): string {
  return `asked by ${principal} at ${shortTime(at)}${reason === "" ? "" : `: ${reason}`}`;
}

/** @returns for example `work, until 2026-01-01 12:00:00` */
export function limitText({ cause = "", dueAt }: TimeLimitJson): string {
  return `${limitNames[cause] ?? cause}, until ${shortTime(dueAt)}`;
}

const limitNames: Record<string, string> = {
  queue_limit_exceeded: "waiting in the queue",
  work_limit_exceeded: "work",
  handoff_limit_exceeded: "hand-off",
  deadline_exceeded: "the event's deadline",
};

function statusLine({ status, outcome, reason = "", limit }: StatusChangedJson): string {
  const name = shortName(status, "RUN_STATUS_");
  const end = outcome === undefined || outcome === status ? "" : ` → ${shortName(outcome, "RUN_STATUS_")}`;
  const due = limit === undefined ? "" : tint("dim", plain(` (limit of time: ${limitText(limit)})`));
  return `${tint(colourOf(name), name)}${end}${reason === "" ? "" : plain(`: ${reason}`)}${due}`;
}

function handoffLine(answer: HandoffAnsweredJson): string {
  const { receiver = "", rpc = "", phase, accepted, reason = "", returned = [] } = answer;
  const step = shortName(phase, "HANDOFF_PHASE_").toLowerCase();
  const ids = returned.map(refText).join(", ");
  const said = accepted ? `accepted${ids === "" ? "" : `, it answered ${ids}`}` : `refused: ${reason}`;
  return plain(`hand-off to ${receiver}: ${rpc} ${step} ${said}`);
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
