import { setTimeout as sleep } from "node:timers/promises";
import { toJson } from "@bufbuild/protobuf";
import { explain, keepToken } from "../../src/cli/ask/call-api.ts";
import { followRun } from "../../src/cli/ask/follow-run.ts";
import { CliError } from "../../src/cli/cli-error.ts";
import { untilInterrupted } from "../../src/cli/interrupt.ts";
import { appliedLine } from "../../src/cli/read/declarations.ts";
import { createEventTeller, reasonText } from "../../src/cli/show/event-lines.ts";
import { plain, shortName } from "../../src/cli/show/output.ts";
import { tint } from "../../src/cli/show/terminal.ts";
import { createApiClient } from "../../src/client/api-client.ts";
import { RunEventSchema, RunStatus, RunStatusSchema } from "../../src/gen/automation/v1/run_event_pb.ts";
import { Disposition, RequestDeliverySchema } from "../../src/gen/workflows_runtime/v1/delivery_pb.ts";
import { mintToken, userName } from "../issuer/mint-token.ts";
import { createScreen } from "../screen.ts";
import type { RunningStack } from "../up/running-stack.ts";
import { requireRunningStack } from "../up/running-stack.ts";
import { declareDemo } from "./declare.ts";
import { nextSteps, stepsWithoutStack } from "./next-steps.ts";
import type { Demo } from "./outcome.ts";
import { settle, tellAttestations, tellBoard, tellPatch, under } from "./outcome.ts";
import { createDemoScrum } from "./scrum-board.ts";
import { readDemoSettings } from "./settings.ts";

/** Long enough for a busy machine. */
const decisionLimitMs = 120_000;
const pollMs = 100;

/** Shows one request from the event to its evidence, on the running stack. @throws CliError 1 when it did not end as expected */
export async function demo(options: { failing?: boolean; state?: string; json?: boolean }): Promise<void> {
  const { failing = false, state: dir, json = false } = options;
  const state = requireRunningStack(process.cwd(), dir);
  const shown = await untilInterrupted((signal) => showDemo({ state, failing, json, signal }));
  if (shown === undefined || shown.isAsDesigned) return;
  throw new CliError(1, `the demo did not show what it set out to: ${shown.reason}`);
}

/**
 * Runs the demo on a running stack and prints its progress.
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
  /** Whether the stack stops after the demo; then no commands that need it are printed. */
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
