import { readFileSync } from "node:fs";
import { join } from "node:path";
import { CliError } from "../../src/cli/cli-error.ts";
import { requirementLine } from "../../src/cli/show/event-lines.ts";
import { plain } from "../../src/cli/show/output.ts";
import { tint } from "../../src/cli/show/terminal.ts";
import type { VerdictLineJson } from "../../src/gen/automation/v1/verdict_pb.ts";
import { cutText } from "../../src/text/strangers-text.ts";
import type { RunningStack } from "../up/running-stack.ts";
import type { DemoSettings } from "./settings.ts";

const answerLimitMs = 60_000;

/** The part of the example Scrum service's board that the demo reads. */
interface Board {
  readonly held: {
    readonly increments: readonly {
      readonly tenant: string;
      readonly id: string;
      readonly sprint: string;
      readonly evidence: readonly {
        readonly runId: string;
        readonly evidence: readonly { readonly kind?: string }[];
      }[];
    }[];
    readonly doneItems: readonly {
      readonly tenant: string;
      readonly backlogItem: string;
      readonly records: readonly {
        readonly runId: string;
        readonly vsa?: { readonly verdict?: { readonly level?: string } } | null;
      }[];
    }[];
    readonly impediments: readonly {
      readonly tenant: string;
      readonly id: string;
      readonly backlogItems: readonly string[];
      readonly cause: string;
      readonly summary: string;
      readonly lines: readonly VerdictLineJson[];
      readonly occurrences: number;
      readonly runIds: readonly string[];
    }[];
  };
  readonly provisional: readonly { readonly tenant: string; readonly method: string; readonly runId: string }[];
}

/** The Scrum service of a local stack, used as a member of the Scrum Team. */
export interface DemoScrum {
  /** Lets the service publish a request for a run. @returns the id of the new event */
  requestRun(settings: DemoSettings, definition: string, signal: AbortSignal): Promise<string>;
  board(signal: AbortSignal): Promise<Board>;
}

/** @throws CliError 3 when the stack runs without the demo's service */
export function createDemoScrum(state: RunningStack): DemoScrum {
  const { scrum } = state;
  if (scrum === undefined)
    throw new CliError(
      3,
      "this stack runs without the Scrum service; stop it and start it with `automation up --demo`",
    );
  const authorization = `Bearer ${readFileSync(join(state.dir, "tokens", "scrum.token"), "utf8").trim()}`;
  const ask = async <T>(path: string, signal: AbortSignal, body?: object): Promise<T> => {
    const limited = AbortSignal.any([signal, AbortSignal.timeout(answerLimitMs)]);
    const post = { method: "POST", body: JSON.stringify(body) };
    let response: Response;
    let text: string;
    try {
      response = await fetch(`${scrum.url}${path}`, { headers: { authorization }, signal: limited, ...(body && post) });
      text = await response.text();
    } catch (cause) {
      signal.throwIfAborted();
      throw new CliError(3, `the Scrum service ${scrum.url} does not answer; its log is in ${state.dir}/logs`, {
        cause,
      });
    }
    if (response.ok) return JSON.parse(text);
    throw new CliError(1, `the Scrum service answered ${response.status} to ${path}: ${cutText(plain(text), 1_000)}`);
  };
  return {
    requestRun: async ({ tenant, org, profile, ask: wanted }, definition, signal) =>
      (await ask<{ eventId: string }>("/request-run", signal, { ...wanted, tenant, org, profile, definition })).eventId,
    board: (signal) => ask<Board>("/board", signal),
  };
}

/** What the board holds about one item of a tenant. */
export function boardOf(board: Board, tenant: string, backlogItem: string, runId: string) {
  const { increments, doneItems, impediments } = board.held;
  const ours = <T extends { readonly tenant: string }>(items: readonly T[]) =>
    items.filter((item) => item.tenant === tenant);
  return {
    increments: ours(increments).filter(({ evidence }) => evidence.some((proof) => proof.runId === runId)),
    done: ours(doneItems).filter((item) => item.backlogItem === backlogItem),
    impediments: ours(impediments).filter(({ backlogItems }) => backlogItems.includes(backlogItem)),
    provisional: ours(board.provisional).filter((tried) => tried.runId === runId),
  };
}

/** @returns what a board says about one item, for people; `this run` is the demo's */
export function boardLines(held: ReturnType<typeof boardOf>, runId: string): string[] {
  const lines = [
    ...held.increments.map(({ id, sprint, evidence }) => {
      const kinds = evidence.find((proof) => proof.runId === runId)?.evidence.map(({ kind }) => kind) ?? [];
      return `increment ${id} of sprint ${sprint}: evidence of this run (${kinds.join(", ")})`;
    }),
    ...held.done.map(({ backlogItem, records }) => {
      const level = records.find((record) => record.runId === runId)?.vsa?.verdict?.level;
      const earlier = level === undefined ? records.length : records.length - 1;
      const parts = [
        ...(level === undefined ? [] : [`by this run, at ${level}`]),
        ...(earlier === 0 ? [] : [`by ${earlier} earlier ${earlier === 1 ? "run" : "runs"}`]),
      ];
      return `${backlogItem} is done: ${parts.join(" and ")}`;
    }),
  ].map(plain);
  const raised = held.impediments.flatMap(({ id, cause, summary, occurrences, lines: reasons, runIds }) => {
    const whose = runIds.includes(runId) ? "raised by this run" : "of an earlier run";
    const times = `${occurrences} ${occurrences === 1 ? "time" : "times"}`;
    const open = reasons.filter(({ state }) => state !== "LINE_STATE_MET");
    return [
      tint(
        "yellow",
        plain(`impediment ${id}, ${whose}: ${cause}, seen ${times}${open.length === 0 ? `: ${summary}` : ""}`),
      ),
      ...open.map((line) => `  ${requirementLine(line)}`),
    ];
  });
  const tried = held.provisional.map(({ method }) => plain(`provisional, neither confirmed nor cancelled: ${method}`));
  const all = [...lines, ...raised, ...tried];
  return all.length === 0 ? ["nothing"] : all;
}
