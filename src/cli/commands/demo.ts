import { setTimeout as sleep } from "node:timers/promises";
import { toJson } from "@bufbuild/protobuf";
import type { Command } from "commander";
import { declareDemo } from "../../../local/demo/declare.ts";
import { patchLines } from "../../../local/demo/diff-lines.ts";
import { nextSteps, stepsWithoutStack } from "../../../local/demo/next-steps.ts";
import type { DemoScrum } from "../../../local/demo/scrum-board.ts";
import { boardLines, boardOf, createDemoScrum } from "../../../local/demo/scrum-board.ts";
import type { DemoSettings } from "../../../local/demo/settings.ts";
import { readDemoSettings } from "../../../local/demo/settings.ts";
import { mintToken, userName } from "../../../local/issuer/mint-token.ts";
import type { Screen } from "../../../local/screen.ts";
import { createScreen } from "../../../local/screen.ts";
import type { RunningStack } from "../../../local/up/running-stack.ts";
import { requireRunningStack } from "../../../local/up/running-stack.ts";
import type { ApiClient } from "../../client/api-client.ts";
import { createApiClient } from "../../client/api-client.ts";
import { RunEventSchema, RunStatus, RunStatusSchema } from "../../gen/automation/v1/run_event_pb.ts";
import { AttestationSchema } from "../../gen/governance/v1/governance_service_pb.ts";
import { Disposition, RequestDeliverySchema } from "../../gen/workflows_runtime/v1/delivery_pb.ts";
import { HandoffState } from "../../gen/workflows_runtime/v1/handoff_call_pb.ts";
import { explain, keepToken } from "../ask/call-api.ts";
import { followRun } from "../ask/follow-run.ts";
import { CliError } from "../cli-error.ts";
import { untilInterrupted } from "../interrupt.ts";
import { createEventTeller, reasonText } from "../show/event-lines.ts";
import { plain, shortName, tableLines } from "../show/output.ts";
import { tint } from "../show/terminal.ts";
import { appliedLine } from "./apply.ts";

/** Long enough for a machine that has other work too. */
const decisionLimitMs = 120_000;
const handoverLimitMs = 120_000;
const patchLimitMs = 60_000;
const pollMs = 100;

interface Demo {
  readonly api: ApiClient;
  readonly scrum: DemoScrum;
  readonly settings: DemoSettings;
  readonly screen: Screen;
  readonly signal: AbortSignal;
  readonly stackEnds: boolean;
}

/** `automation demo`: the whole way of one request, on the running stack. */
export function registerDemo(program: Command): void {
  program
    .command("demo")
    .description(
      "let the example Scrum service ask for a run, and show what becomes of it; exit 0 when it ended as shown in advance: COMPLETED, or FAILED with an impediment for --failing",
    )
    .option("--failing", "let a persona work that changes the test instead of the code: FAILED, and the rule named")
    .option("--state <dir>", "folder of the local stack; else .automation upwards from here, else the clone's")
    .option("--json", "print JSON, one object a line")
    .action(
      async ({ failing = false, state: dir, json = false }: { failing?: boolean; state?: string; json?: boolean }) => {
        const state = requireRunningStack(process.cwd(), dir);
        const shown = await untilInterrupted((signal) => showDemo({ state, failing, json, signal }));
        if (shown === undefined || shown.isAsDesigned) return;
        throw new CliError(1, `the demo did not show what it set out to: ${shown.reason}`);
      },
    );
}

/**
 * Runs the demo on a running stack and tells its course on standard output.
 * @returns whether the run COMPLETED, and why not
 * @throws CliError 3 when the stack has no Scrum service or a part does not answer · the signal's reason
 */
export async function runDemo(options: DemoOptions): Promise<{ completed: boolean; reason?: string }> {
  const { end, reason } = await showDemo(options);
  return end === RunStatus.COMPLETED ? { completed: true } : { completed: false, reason };
}

export interface DemoOptions {
  readonly state: RunningStack;
  readonly failing: boolean;
  readonly json: boolean;
  readonly signal: AbortSignal;
  /** Whether the stack ends with the demo: then nothing that needs one is printed. */
  readonly stackEnds?: boolean;
}

interface Shown {
  readonly end: RunStatus | undefined;
  readonly isAsDesigned: boolean;
  readonly reason: string;
}

async function showDemo({ state, failing, json, signal, stackEnds = false }: DemoOptions): Promise<Shown> {
  const screen = createScreen(json, () => new Date());
  const settings = readDemoSettings();
  const { tenant, org } = settings;
  const scrum = createDemoScrum(state);
  const who = { tenant, org, role: "admin", subject: userName() } as const;
  const token = keepToken(() => mintToken(state, who, signal));
  const api = createApiClient({ apiUrl: state.api.url, token, tenant, org });
  const demo = { api, scrum, settings, screen, signal, stackEnds };
  try {
    return await show(demo, state, failing);
  } catch (error) {
    signal.throwIfAborted();
    throw explain(error, state.api.url);
  }
}

async function show(demo: Demo, state: RunningStack, failing: boolean): Promise<Shown> {
  const { api, screen, settings, signal } = demo;
  for await (const applied of declareDemo(api, state, settings, signal)) {
    if (applied.outcome !== "unchanged") screen.tell("declared", appliedLine(applied), { ...applied });
    if (applied.outcome === "conflict")
      return { end: undefined, isAsDesigned: false, reason: `${applied.name}: ${applied.reason}` };
  }
  const { profile, backlogItem } = settings;
  const definition = failing ? settings.failingDefinition : settings.definition;
  const askedAt = Date.now();
  const eventId = await demo.scrum.requestRun(settings, definition, signal);
  const heading = `the Scrum service asks for ${definition} on ${backlogItem}, judged by ${profile} (event ${eventId})`;
  screen.tell("asked", `\n${tint("bold", heading)}`, { eventId, definition, profile });

  const delivery = await awaitDecision(demo, eventId);
  if (delivery.disposition !== Disposition.ACCEPTED) {
    const { disposition, reasons = [] } = toJson(RequestDeliverySchema, delivery);
    const reason = `${shortName(disposition, "DISPOSITION_").toLowerCase()}: ${reasons.map(reasonText).join("; ")}`;
    screen.tell("not_accepted", plain(reason), { disposition, reasons });
    return { end: undefined, isAsDesigned: false, reason };
  }
  const { runId } = delivery;
  screen.tell("run", `run ${runId}`, { runId });
  const lines = createEventTeller();
  const end = await followRun(api, {
    runId,
    after: 0n,
    signal,
    onEvent: (message) => {
      const event = toJson(RunEventSchema, message);
      screen.tell("run_event", timedLines(lines(event), event.at, askedAt), { run: event });
    },
    onReconnect: (last, why) => screen.tell("reconnect", `connection lost after event ${last} (${why}); going on`),
  });
  const { reason, hasImpediment } = await settle(demo, runId);
  await tellPatch(demo, runId);
  await tellAttestations(demo, runId);
  await tellBoard(demo, runId);
  const next = demo.stackEnds ? stepsWithoutStack(state) : nextSteps({ state, settings, runId, failing });
  for (const { title, lines } of next) screen.tell("next", under(title, lines), { title, lines });
  const wanted = failing ? RunStatus.FAILED : RunStatus.COMPLETED;
  const ended = `the run ended ${shortName(RunStatusSchema.value[end]?.name, "RUN_STATUS_")}: ${reason}`;
  if (end !== wanted) return { end, isAsDesigned: false, reason: ended };
  if (failing && !hasImpediment)
    return { end, isAsDesigned: false, reason: "no impediment reached the Scrum service in time" };
  return { end, isAsDesigned: true, reason: ended };
}

async function awaitDecision({ api, signal }: Demo, eventId: string) {
  const giveUpAt = performance.now() + decisionLimitMs;
  while (performance.now() < giveUpAt) {
    const { deliveries } = await api.requests.listRunRequests({ eventId, pageSize: 1 }, { signal });
    if (deliveries[0] !== undefined) return deliveries[0];
    await sleep(pollMs, undefined, { signal });
  }
  const message = `event ${eventId} was published and not decided within ${decisionLimitMs / 1000} s; does the dispatcher run? its log is logs/dispatcher.log in the state folder`;
  throw new CliError(3, message);
}

function timedLines([first = "", ...more]: readonly string[], at: string | undefined, askedAt: number): string {
  const seconds = ((Date.parse(at ?? "") - askedAt) / 1_000).toFixed(2);
  return [`${tint("dim", `${seconds.padStart(6)} s`)}  ${first}`, ...more.map((line) => `          ${line}`)].join(
    "\n",
  );
}

/** Waits until the methodology has answered every call about the run, and tells what it was not told in time. */
async function settle(
  { api, screen, signal }: Demo,
  runId: string,
): Promise<{ reason: string; hasImpediment: boolean }> {
  const giveUpAt = performance.now() + handoverLimitMs;
  for (;;) {
    const { run, handoffCalls, impediment } = await api.workflows.describeWorkflowRun({ runId }, { signal });
    const due = handoffCalls.filter(({ state }) => state === HandoffState.DUE);
    if (due.length === 0 || performance.now() >= giveUpAt) {
      for (const { rpc, lastError } of due) {
        const why = lastError === "" ? "it has not answered yet" : lastError;
        screen.tell("due", plain(`hand-off to Scrum: ${rpc} is still due: ${why}`), { rpc, lastError });
      }
      return { reason: run?.reason ?? "", hasImpediment: (impediment?.remoteId ?? "") !== "" };
    }
    await sleep(pollMs, undefined, { signal });
  }
}

/** Shows what the persona changed, as it was captured and kept. */
async function tellPatch({ api, screen, signal }: Demo, runId: string): Promise<void> {
  const { artifacts } = await api.artifacts.listArtifacts({ runId }, { signal });
  const patch = artifacts.find(({ kind }) => kind === "patch");
  if (patch === undefined) return;
  const { url } = await api.artifacts.getArtifactUrl({ artifactId: patch.id }, { signal });
  const answer = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(patchLimitMs)]) });
  if (!answer.ok) throw new CliError(3, `the object store answered ${answer.status} for ${patch.name}`);
  const text = await answer.text();
  screen.tell("patch", under(`what was changed (${patch.name}, sha256:${patch.sha256})`, patchLines(text)), {
    patch: text,
  });
}

async function tellAttestations({ api, screen, signal }: Demo, runId: string): Promise<void> {
  const { attestations } = await api.governance.listAttestations({ runId }, { signal });
  const rows = attestations
    .map((attestation) => toJson(AttestationSchema, attestation))
    .toSorted((a, b) => (a.name ?? "").localeCompare(b.name ?? ""));
  const lines = tableLines(
    rows,
    [
      { title: "NAME", of: ({ name }) => name },
      { title: "OUTCOME", of: ({ outcome }) => outcome },
      { title: "KEY", of: ({ keyId }) => keyId },
      { title: "STATEMENT SHA256", of: ({ statementSha256 }) => statementSha256?.slice(0, 16) },
    ],
    2,
  );
  screen.tell("attestations", under("attestations, signed and registered with the end", lines), { attestations: rows });
}

async function tellBoard({ scrum, screen, settings, signal }: Demo, runId: string): Promise<void> {
  const { tenant, backlogItem } = settings;
  const held = boardOf(await scrum.board(signal), tenant, backlogItem, runId);
  screen.tell("scrum", under(`what the Scrum service holds for ${backlogItem}`, boardLines(held, runId)), { held });
}

function under(title: string, lines: readonly string[]): string {
  return [`\n${tint("bold", title)}`, ...lines.map((line) => `  ${line}`)].join("\n");
}
