import type { Attributes, Context, Link } from "@opentelemetry/api";
import {
  context,
  isSpanContextValid,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";

/** W3C Trace Context, as rows and messages carry it. */
export interface TraceParent {
  readonly traceparent?: string | null | undefined;
  readonly tracestate?: string | null | undefined;
}

/** The same of a span of ours; empty when nothing is traced. */
export interface OwnTrace {
  readonly traceparent?: string;
  readonly tracestate?: string;
}

/** What a span is about; absent values are left out. */
export interface SpanFacts {
  readonly tenant?: string | undefined;
  readonly org?: string | undefined;
  readonly runId?: string | undefined;
  readonly profileId?: string | undefined;
  readonly method?: string | undefined;
  readonly cadenceId?: string | undefined;
  readonly workKind?: string | undefined;
  readonly definitionId?: string | undefined;
  readonly persona?: string | undefined;
  readonly outcome?: string | undefined;
  readonly attempt?: number | undefined;
  /** Of the run's execution: 1 for the first. */
  readonly generation?: number | undefined;
  readonly stepId?: string | undefined;
  readonly receiver?: string | undefined;
}

const attributeNames: Readonly<Record<keyof SpanFacts, string>> = {
  tenant: "automation.tenant",
  org: "automation.org",
  runId: "automation.run.id",
  profileId: "automation.profile",
  method: "automation.method",
  cadenceId: "automation.cadence.id",
  workKind: "automation.work_kind",
  definitionId: "automation.definition",
  persona: "automation.persona",
  outcome: "automation.outcome",
  attempt: "automation.attempt",
  generation: "automation.generation",
  stepId: "automation.step.id",
  receiver: "automation.receiver",
};

const tracer = () => trace.getTracer("automation");

interface SpanOptions {
  readonly facts?: SpanFacts;
  /** Undefined: the span that is open here. */
  readonly parent?: TraceParent | undefined;
  /** What the span relates to and is no part of. */
  readonly links?: readonly TraceParent[];
  readonly kind?: "server" | "client" | "consumer" | "producer";
}

/** Opens a span around work; an error, thrown or told, is its status. */
export function inSpan<T>(
  name: string,
  options: SpanOptions,
  work: (fail: (error: unknown) => void) => Promise<T>,
): Promise<T> {
  return tracer().startActiveSpan(name, settingsOf(options), contextOf(options.parent), async (span) => {
    const fail = (error: unknown): void =>
      void span.setStatus({
        code: SpanStatusCode.ERROR,
        message: error instanceof Error ? error.message : String(error),
      });
    try {
      return await work(fail);
    } catch (error) {
      fail(error);
      throw error;
    } finally {
      span.end();
    }
  });
}

/** Tells a time that is over, such as a wait. */
export function recordSpan(name: string, options: SpanOptions & { readonly from: Date; readonly to: Date }): void {
  const settings = { ...settingsOf(options), startTime: options.from };
  tracer().startSpan(name, settings, contextOf(options.parent)).end(options.to);
}

/** A span that others are to have as parent before it ends; unless ended it is never sent. */
export interface OpenSpan {
  readonly own: OwnTrace;
  end(facts: SpanFacts, at?: Date): void;
}

export function openSpan(name: string, options: SpanOptions & { readonly from?: Date }): OpenSpan {
  const settings = { ...settingsOf(options), ...(options.from === undefined ? {} : { startTime: options.from }) };
  const span = tracer().startSpan(name, settings, contextOf(options.parent));
  return {
    own: traceOf(trace.setSpan(ROOT_CONTEXT, span)),
    end(facts, at) {
      span.setAttributes(attributesOf(facts));
      span.end(at);
    },
  };
}

/** @returns the span that is open here */
export const currentTrace = (): OwnTrace => traceOf(context.active());

/** @returns the ids of the span that is open here, for a line of the log */
export function openSpanIds(): { readonly trace_id?: string; readonly span_id?: string } {
  const found = trace.getSpanContext(context.active());
  return found === undefined || !isSpanContextValid(found) ? {} : { trace_id: found.traceId, span_id: found.spanId };
}

function traceOf(of: Context): OwnTrace {
  const carrier: { traceparent?: string; tracestate?: string } = {};
  propagation.inject(of, carrier);
  return carrier;
}

function contextOf(parent: TraceParent | undefined): Context {
  if (parent === undefined) return context.active();
  const { traceparent, tracestate } = parent;
  if (typeof traceparent !== "string") return ROOT_CONTEXT;
  return propagation.extract(ROOT_CONTEXT, { traceparent, ...(typeof tracestate === "string" ? { tracestate } : {}) });
}

const kinds = {
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  consumer: SpanKind.CONSUMER,
  producer: SpanKind.PRODUCER,
};

function settingsOf({ facts = {}, links = [], kind }: SpanOptions) {
  return {
    attributes: attributesOf(facts),
    links: links.flatMap(linkOf),
    kind: kind === undefined ? SpanKind.INTERNAL : kinds[kind],
  };
}

function linkOf(to: TraceParent): Link[] {
  const found = trace.getSpanContext(contextOf(to));
  return found === undefined ? [] : [{ context: found }];
}

function attributesOf(facts: SpanFacts): Attributes {
  return Object.fromEntries(
    Object.entries(facts).flatMap(([fact, value]) =>
      value === undefined || value === "" ? [] : [[attributeNames[fact as keyof SpanFacts], value]],
    ),
  );
}
