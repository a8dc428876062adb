import { createLog } from "../../src/telemetry/log.ts";
import { measureHandoff } from "../../src/telemetry/metrics/handoff-metrics.ts";
import { startAnswered } from "../../src/telemetry/metrics/queue-metrics.ts";
import { deliveryDecided } from "../../src/telemetry/metrics/request-metrics.ts";
import { runEnded } from "../../src/telemetry/metrics/run-metrics.ts";
import {
  activitySpan,
  beginAccept,
  callSpan,
  firstTaskSpan,
  handoffSpan,
  publishSpan,
  startSpan,
  stepSpan,
  workSpan,
} from "../../src/telemetry/run-spans.ts";
import { currentTrace } from "../../src/telemetry/spans.ts";
import { startTelemetry } from "../../src/telemetry/start-telemetry.ts";

/** Prints the CPU time that the telemetry of one run takes, in microseconds, by the mode of its argument. */
const [mode = "none"] = process.argv.slice(2);
const warmUps = 2_000;
const runs = 10_000;

if (mode !== "none") {
  const endpoint = mode === "spans" ? "http://127.0.0.1:9" : undefined;
  if (endpoint !== undefined) process.env.OTEL_EXPORTER_OTLP_ENDPOINT = endpoint;
  const settings = { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_METRICS_EXPORTER: "none" } as const;
  startTelemetry("api", "bench", settings, createLog("bench", "error"));
}

const run = {
  tenant: "acme",
  org: "retail",
  runId: "a34bac04-2a06-5404-af0a-994c972be5e7",
  profileId: "scrum-team",
  method: "scrum",
  cadenceId: "S-7",
  workKind: "story",
  definitionId: "story-repair",
};
const nothing = async (): Promise<void> => undefined;
const calls = ["beginRun", "prepareSeal", "deliverHandoff", "commitSeal"];

async function oneRun(n: number): Promise<void> {
  const at = new Date();
  const accepting = beginAccept(run, { at, producedAt: at });
  accepting.end("accepted", run);
  deliveryDecided("accepted", "", 5);
  const of = { ...run, ...accepting.trace };
  const headers = await startSpan({ ...of, generation: 1, createdAt: at }, at, async () => ({
    state: "started",
    trace: currentTrace(),
  }));
  startAnswered("started", 5, 10);
  firstTaskSpan(of, at, at);
  for (const type of [...calls, "workSegment"])
    await activitySpan(
      { id: `${n}/${type}`, type, attempt: 1, scheduledAt: at, startedAt: at, isLocal: type !== "workSegment" },
      headers.trace,
      async () => {
        if (type !== "workSegment")
          return callSpan({ ...run, service: "RunWorkerService", method: type }, currentTrace(), nothing);
        for (const part of ["prepare workspace", "test on the base", "capture", "upload"])
          await workSpan(part, {}, nothing);
        await stepSpan({ id: "fix" }, nothing);
        await stepSpan({ id: "unit", test: {} }, nothing);
      },
    );
  for (const phase of ["TRY", "CONFIRM"]) {
    const call = { rpc: "AttachIncrementEvidence", phase, receiver: "scrum" };
    await measureHandoff(call, () =>
      handoffSpan({ ...call, attempts: 0 }, undefined, async () => ({ state: "ACKNOWLEDGED" })),
    );
  }
  const times = { createdAt: at, begunAt: at, workBegunAt: at, sealingAt: at, endedAt: at };
  runEnded({ ...run, ...times, references: {}, status: "COMPLETED" });
  publishSpan(of, 7, at, new Date());
}

for (let n = 0; n < warmUps; n += 1) await oneRun(n);
const before = process.cpuUsage();
for (let n = 0; n < runs; n += 1) await oneRun(n);
const { user, system } = process.cpuUsage(before);
console.log((user + system) / runs);
process.exit();
