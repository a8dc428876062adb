import { measurePart } from "./metrics/work-metrics.ts";
import type { OwnTrace, SpanFacts, TraceParent } from "./spans.ts";
import { currentTrace, inSpan, openSpan, recordSpan } from "./spans.ts";

/** The spans of a run, by name, in the order in which they begin. All of them have the span of accept as parent, or the one that called. */

/** What accept knows of a run. */
interface AcceptedRun {
  readonly tenant: string;
  readonly org: string;
  readonly runId: string;
  readonly profileId: string;
  readonly method: string;
  readonly cadenceId: string;
  readonly workKind: string;
  readonly definitionId: string;
}

type RunOfTrace = TraceParent & Pick<SpanFacts, "tenant" | "org"> & { readonly runId: string };

/** Opens the span of an event's acceptance; the run's spans have it as parent. A repeated delivery is a trace of its own, with a link. */
export function beginAccept(
  event: TraceParent & { readonly tenant: string; readonly org: string },
  times: { readonly at: Date; readonly producedAt: Date | undefined },
): { readonly trace: OwnTrace; end(disposition: string, run: AcceptedRun | undefined): void } {
  const { tenant, org } = event;
  const span = openSpan("accept", { kind: "consumer", parent: event, from: times.at, facts: { tenant, org } });
  return {
    trace: span.own,
    end(disposition, run) {
      if (disposition === "duplicate" || disposition === "conflict") {
        const facts = { tenant, org, outcome: disposition };
        recordSpan("accept again", {
          kind: "consumer",
          parent: {},
          links: [event],
          facts,
          from: times.at,
          to: new Date(),
        });
        return;
      }
      const { producedAt } = times;
      if (producedAt !== undefined && producedAt < times.at)
        recordSpan("wait in the bus", { parent: span.own, from: producedAt, to: times.at });
      span.end({ ...factsOf(run), outcome: disposition });
    },
  };
}

const factsOf = (run: AcceptedRun | undefined): SpanFacts => {
  if (run === undefined) return {};
  const { tenant, org, runId, profileId, method, cadenceId, workKind, definitionId } = run;
  return { tenant, org, runId, profileId, method, cadenceId, workKind, definitionId };
};

/** Spans that this process made of what may come again, by id; the oldest is forgotten first. */
function createEarlier(most: number) {
  const spans = new Map<string, OwnTrace>();
  return {
    /** @returns a link to the span before, and forgets it */
    linkOf(id: string): readonly OwnTrace[] {
      const before = spans.get(id);
      spans.delete(id);
      return before === undefined ? [] : [before];
    },
    keep(id: string) {
      spans.set(id, currentTrace());
      const [oldest] = spans.keys();
      if (oldest !== undefined && spans.size > most) spans.delete(oldest);
    },
  };
}

const failedTries = createEarlier(1_000);
const starts = createEarlier(10_000);

/**
 * Tells the wait in the queue, and opens a span around the start of the workflow; an answer with a cause is its error.
 * A start that is tried again, and that of a second execution, has a link to the one before it when that was made by this process.
 */
export function startSpan<T extends { readonly state: string; readonly cause?: unknown }>(
  run: RunOfTrace & { readonly createdAt: Date; readonly generation: number },
  now: Date,
  start: () => Promise<T>,
): Promise<T> {
  const { tenant, org, runId, generation } = run;
  recordSpan("wait in the queue", { parent: run, from: run.createdAt, to: now, facts: { tenant, org, runId } });
  const facts = { tenant, org, runId, generation };
  return inSpan("start workflow", { kind: "client", parent: run, links: starts.linkOf(runId), facts }, async (fail) => {
    starts.keep(runId);
    const answer = await start();
    if (answer.cause !== undefined) fail(answer.cause);
    return answer;
  });
}

/** Tells the wait of a started workflow for its first task. */
export function firstTaskSpan(run: RunOfTrace, startedAt: Date, begunAt: Date): void {
  const { tenant, org, runId } = run;
  recordSpan("wait for a workflow task", { parent: run, from: startedAt, to: begunAt, facts: { tenant, org, runId } });
}

/**
 * A try of an activity of the run's workflow. A further one stands beside the first, with a link to the one before it when that was made by this process.
 * @param headers - of the workflow, as its start sent them
 */
export function activitySpan<T>(
  activity: {
    /** Of the activity, the same for all its tries. */
    readonly id: string;
    readonly type: string;
    readonly attempt: number;
    readonly scheduledAt: Date;
    readonly startedAt: Date;
    readonly isLocal: boolean;
  },
  headers: TraceParent,
  work: () => Promise<T>,
): Promise<T> {
  const { id, type, attempt, scheduledAt, startedAt, isLocal } = activity;
  if (!isLocal && scheduledAt < startedAt)
    recordSpan(`wait for a worker of ${type}`, {
      parent: headers,
      from: scheduledAt,
      to: startedAt,
      facts: { attempt },
    });
  return inSpan(type, { parent: headers, links: failedTries.linkOf(id), facts: { attempt } }, async () => {
    try {
      return await work();
    } catch (error) {
      failedTries.keep(id);
      throw error;
    }
  });
}

/** A call that the api answers. A caller without a trace begins one. */
export function callSpan<T>(
  call: { readonly service: string; readonly method: string } & Pick<SpanFacts, "tenant" | "org">,
  caller: TraceParent,
  answer: () => Promise<T>,
): Promise<T> {
  const { service, method, tenant, org } = call;
  return inSpan(`${service}/${method}`, { kind: "server", parent: caller, facts: { tenant, org } }, answer);
}

/** A part of the work of a run, measured: preparing, a step, the capture, a test, the uploads. */
export const workSpan = <T>(part: string, facts: SpanFacts, work: () => Promise<T>): Promise<T> =>
  measurePart(part, () => inSpan(part, { facts }, work));

export function stepSpan<T>(
  step: {
    readonly id?: string;
    readonly test?: object;
    readonly agent?: { readonly persona?: { readonly id?: string } };
  },
  work: () => Promise<T>,
): Promise<T> {
  const persona = step.agent?.persona?.id;
  return workSpan(step.test === undefined ? "step" : "test", { stepId: step.id, persona }, work);
}

/** One try of a call to a methodology. @param parent - undefined: within the api call that hands off */
export const handoffSpan = <T>(
  call: { readonly rpc: string; readonly phase: string; readonly receiver: string; readonly attempts: number },
  parent: RunOfTrace | undefined,
  send: () => Promise<T>,
): Promise<T> => {
  const { rpc, phase, receiver, attempts } = call;
  return inSpan(
    `${phase.toLowerCase()} ${rpc}`,
    { kind: "client", parent, facts: { receiver, attempt: attempts + 1 } },
    send,
  );
};

/** A step of the seal that follows within the call that prepared it. */
export const sealSpan = <T>(step: "hand over" | "commit", work: () => Promise<T>): Promise<T> => inSpan(step, {}, work);

/** Publishing events of a run, which went out together. */
export function publishSpan(run: RunOfTrace, count: number, from: Date, to: Date): void {
  recordSpan(count === 1 ? "publish a run event" : `publish ${count} run events`, {
    kind: "producer",
    parent: run,
    from,
    to,
  });
}
