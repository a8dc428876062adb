import { hostname } from "node:os";
import { DiagLogLevel, diag, metrics } from "@opentelemetry/api";
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-proto";
import { PrometheusExporter, PrometheusSerializer } from "@opentelemetry/exporter-prometheus";
import { RuntimeNodeInstrumentation } from "@opentelemetry/instrumentation-runtime-node";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import { NodeSDK } from "@opentelemetry/sdk-node";
import type { Measured } from "./instruments.ts";
import { useMeter } from "./instruments.ts";
import type { Log } from "./log.ts";
import { observeProcess } from "./metrics/process-metrics.ts";

/** Spans and metrics of this process. */
export interface Telemetry {
  readonly name: Measured;
  /** @returns all metrics in the text format of Prometheus */
  readMetrics(): Promise<string>;
  /** Adds metrics that a library keeps itself, in the same format. They are left out while they can't be read. */
  addMetrics(read: () => Promise<string>): void;
  /** Sends what is left, for at most 3 s. */
  close(): Promise<void>;
}

/** From the environment of the process. */
export interface TelemetrySettings {
  readonly OTEL_EXPORTER_OTLP_ENDPOINT?: string | undefined;
  readonly OTEL_METRICS_EXPORTER: "otlp" | "none";
}

const closeLimitMs = 3_000;
const tellEveryMs = 60_000;

/**
 * Starts OpenTelemetry. Metrics can always be scraped. With an OTLP endpoint, spans and metrics are sent there; the SDK reads the other OTEL_* variables itself.
 * A collector that is away costs one line of the log a minute, and what it would have got.
 */
export function startTelemetry(name: Measured, version: string, settings: TelemetrySettings, log: Log): Telemetry {
  const otlpEndpoint = settings.OTEL_EXPORTER_OTLP_ENDPOINT;
  tellOfFaults(log, otlpEndpoint);
  const prometheus = new PrometheusExporter({ preventServerStart: true });
  const inText = new PrometheusSerializer("", false, undefined, false, true);
  const others: (() => Promise<string>)[] = [];
  const sdk = new NodeSDK({
    autoDetectResources: false, // detectors tell the command line and the owner
    resource: resourceFromAttributes({
      "service.name": `automation-${name}`,
      "service.version": version,
      "service.instance.id": `${hostname()}/${process.pid}`,
    }),
    metricReaders: [
      prometheus,
      ...(otlpEndpoint === undefined || settings.OTEL_METRICS_EXPORTER === "none"
        ? []
        : [new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter() })]),
    ],
    logRecordProcessors: [],
    instrumentations: [new RuntimeNodeInstrumentation()],
    ...(otlpEndpoint === undefined ? { spanProcessors: [] } : {}),
  });
  observeProcess(name, version);
  sdk.start();
  useMeter(metrics.getMeter("automation", version), name);
  return {
    name,
    async readMetrics() {
      const { resourceMetrics, errors } = await prometheus.collect();
      if (errors.length > 0) log.warn({ err: errors[0] }, "a metric can't be read and is left out");
      const more = await Promise.all(others.map((read) => read().catch(() => "")));
      return [inText.serialize(resourceMetrics), ...more].join("");
    },
    addMetrics: (read) => void others.push(read),
    async close() {
      const limit = AbortSignal.timeout(closeLimitMs);
      const late = new Promise<void>((done) => limit.addEventListener("abort", () => done(), { once: true }));
      await Promise.race([sdk.shutdown().catch(() => undefined), late]);
    },
  };
}

/** The SDK's own messages, at most one a minute. */
function tellOfFaults(log: Log, otlpEndpoint: string | undefined): void {
  let toldAt = Number.NEGATIVE_INFINITY;
  const tell = (told: string): void => {
    if (performance.now() - toldAt < tellEveryMs) return;
    toldAt = performance.now();
    log.warn(
      { otlpEndpoint, cause: messageOf(told) },
      "telemetry can't be sent; runs go on without it: start the collector there, or correct OTEL_EXPORTER_OTLP_ENDPOINT",
    );
  };
  const quiet = () => undefined;
  diag.setLogger({ error: tell, warn: quiet, info: quiet, debug: quiet, verbose: quiet }, DiagLogLevel.ERROR);
}

/** The SDK writes an error as the JSON of its fields. */
function messageOf(told: string): string {
  try {
    const { message }: { message?: unknown } = JSON.parse(told);
    return typeof message === "string" ? message : told;
  } catch {
    return told;
  }
}
