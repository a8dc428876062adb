import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const module = (name: string) => JSON.stringify(join(import.meta.dirname, name));

/** Runs code in a process of its own, since OpenTelemetry is one for a whole process. @returns what it logged */
async function logOf(code: string, environment: Record<string, string>): Promise<Record<string, unknown>[]> {
  const whole = `
    import { createLog } from ${module("log.ts")};
    import { inSpan } from ${module("spans.ts")};
    import { startTelemetry } from ${module("start-telemetry.ts")};
    const log = createLog("api", "info");
    const settings = { OTEL_METRICS_EXPORTER: "none", ...process.env };
    const telemetry = startTelemetry("api", "1.2.3", settings, log);
    const awake = setInterval(() => undefined, 1_000);
    ${code}
    await telemetry.close();
    clearInterval(awake);`;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", whole], {
    env: { PATH: process.env.PATH, ...environment },
  });
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}

const nowhere = {
  OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1",
  OTEL_BSP_SCHEDULE_DELAY: "20",
  OTEL_EXPORTER_OTLP_TIMEOUT: "200",
};

it("tells of a collector that is away in one line a minute, however much can't be sent", async () => {
  const code = `
    const told = Promise.withResolvers();
    const warn = log.warn;
    log.warn = (...line) => { warn.apply(log, line); told.resolve(); };
    await inSpan("sent at once", { parent: {} }, async () => undefined);
    await told.promise;
    await inSpan("sent at the end", { parent: {} }, async () => undefined);`;
  const lines = await logOf(code, nowhere);
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatchObject({ level: 40, otlpEndpoint: nowhere.OTEL_EXPORTER_OTLP_ENDPOINT });
  expect(String(lines[0]?.cause)).toContain("ECONNREFUSED");
  expect(String(lines[0]?.msg)).toContain("correct OTEL_EXPORTER_OTLP_ENDPOINT");
});

it("gives a line of the log the ids of the open span, and none without a trace", async () => {
  const code = `await inSpan("call", { parent: { traceparent: "00-${"a".repeat(32)}-${"b".repeat(16)}-01" } }, async () => log.info("in it"));`;
  const [traced] = await logOf(code, nowhere);
  expect(traced).toMatchObject({
    msg: "in it",
    trace_id: "a".repeat(32),
    span_id: expect.stringMatching(/^[0-9a-f]{16}$/),
  });
  const [untraced] = await logOf(`await inSpan("call", { parent: {} }, async () => log.info("in it"));`, {});
  expect(untraced).not.toHaveProperty("trace_id");
});

it("names service, version and instance, and neither command line nor owner", async () => {
  const [line] = await logOf("log.info({ text: await telemetry.readMetrics() });", {});
  const info = /target_info\{(.*)\}/.exec(String(line?.text))?.[1];
  expect(info?.replaceAll(/="[^"]*"/g, "")).toBe("service_name,service_version,service_instance_id");
});
