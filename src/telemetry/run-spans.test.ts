import { NodeSDK } from "@opentelemetry/sdk-node";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { activitySpan, beginAccept, startSpan } from "./run-spans.ts";

type SpanProcessor = NonNullable<NonNullable<ConstructorParameters<typeof NodeSDK>[0]>["spanProcessors"]>[number];
type EndedSpan = Parameters<SpanProcessor["onEnd"]>[0];

let ended: EndedSpan[] = [];
const keep: SpanProcessor = {
  onStart: () => undefined,
  onEnd: (span) => void ended.push(span),
  forceFlush: async () => undefined,
  shutdown: async () => undefined,
};
const sdk = new NodeSDK({
  autoDetectResources: false,
  spanProcessors: [keep],
  metricReaders: [],
  logRecordProcessors: [],
  instrumentations: [],
});
beforeAll(() => sdk.start());
afterAll(() => sdk.shutdown());
beforeEach(() => {
  ended = [];
});

const traceId = "0af7651916cd43dd8448eb211c80319c";
const parentId = "b7ad6b7169203331";
const parent = { traceparent: `00-${traceId}-${parentId}-01` };
const run = { tenant: "acme", org: "retail", runId: "r", ...parent };
const named = (name: string): EndedSpan[] => ended.filter((span) => span.name === name);
const linksOf = (span: EndedSpan | undefined) => span?.links.map(({ context: { spanId } }) => spanId);

const attempt = (number: number, work: () => Promise<void>, id = "w/1") => {
  const at = new Date();
  const activity = { id, type: "workSegment", attempt: number, scheduledAt: at, startedAt: at, isLocal: false };
  return activitySpan(activity, parent, work);
};
const failing = () => Promise.reject(new Error("the store is away"));

it("sets a further try of an activity beside the first, with a link to it", async () => {
  await expect(attempt(1, failing)).rejects.toThrow("away");
  await expect(attempt(2, failing)).rejects.toThrow("away");
  await attempt(3, async () => undefined);
  await attempt(1, async () => undefined, "w/2");
  const [first, second, third, other] = named("workSegment");
  for (const span of [first, second, third, other]) expect(span?.parentSpanContext?.spanId).toBe(parentId);
  expect([first, second, third, other].map(linksOf)).toEqual([
    [],
    [first?.spanContext().spanId],
    [second?.spanContext().spanId],
    [],
  ]);
  expect(first?.status).toEqual({ code: 2, message: "the store is away" });
});

it("shows a start that Temporal refuses as an error, and one that it takes as none", async () => {
  const waiting = { ...run, generation: 1, createdAt: new Date() };
  await startSpan(waiting, new Date(), async () => ({ state: "refused", cause: new Error("no such attribute") }));
  await startSpan(waiting, new Date(), async () => ({ state: "started" }));
  expect(named("start workflow").map(({ status }) => status)).toEqual([
    { code: 2, message: "no such attribute" },
    { code: 0 },
  ]);
});

it("sets the start of a second execution beside the first, with a link to it", async () => {
  const lost = { ...run, runId: "lost", createdAt: new Date() };
  const started = async () => ({ state: "started" });
  for (const generation of [1, 2]) await startSpan({ ...lost, generation }, new Date(), started);
  const [first, second] = named("start workflow");
  expect([first, second].map((span) => span?.parentSpanContext?.spanId)).toEqual([parentId, parentId]);
  expect([first, second].map(linksOf)).toEqual([[], [first?.spanContext().spanId]]);
  expect(second?.attributes).toMatchObject({ "automation.generation": 2 });
});

it("makes a repeated delivery a trace of its own, with a link to the one that the event names", () => {
  beginAccept({ ...run }, { at: new Date(), producedAt: undefined }).end("duplicate", undefined);
  const [again] = named("accept again");
  expect(again?.spanContext().traceId).not.toBe(traceId);
  expect(linksOf(again)).toEqual([parentId]);
  expect(named("accept")).toEqual([]);
});
