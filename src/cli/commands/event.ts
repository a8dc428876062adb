import { setTimeout as sleep } from "node:timers/promises";
import type { JsonObject } from "@bufbuild/protobuf";
import { toJson } from "@bufbuild/protobuf";
import type { Command } from "commander";
import { Option } from "commander";
import type { ApiClient } from "../../client/api-client.ts";
import { readEnvironment } from "../../config/environment.ts";
import { kafkaSecurityOf } from "../../config/kafka-security.ts";
import { natsSecurityOf } from "../../config/nats-security.ts";
import { processEnvironment } from "../../config/process-environment.ts";
import { createSecretFiles } from "../../config/secret-files.ts";
import { RequestDeliverySchema } from "../../gen/workflows_runtime/v1/delivery_pb.ts";
import { withApi } from "../ask/call-api.ts";
import type { ScopeOptions } from "../ask/scope.ts";
import { requireTenant, withScope } from "../ask/scope.ts";
import { CliError } from "../cli-error.ts";
import { untilInterrupted } from "../interrupt.ts";
import { loadLocalPart } from "../local-part.ts";
import { readDocuments } from "../read/read-documents.ts";
import { reasonText } from "../show/event-lines.ts";
import { shortName } from "../show/output.ts";
import { jsonText, print } from "../show/terminal.ts";
import { commandLine } from "../usage/command-line.ts";

/** Time for an event to get its disposition, and between two looks. */
const dispositionWithinMs = 60_000;
const lookAgainMs = 250;

interface PublishOptions extends ScopeOptions {
  file: string;
  bus?: Bus;
  brokers?: string;
  servers?: string;
  topic: string;
  source?: string;
  id?: string;
  watch?: boolean;
}

/** `automation event publish`: asks for a run as a methodology service does. */
export function define(event: Command): void {
  const command = event
    .command("publish")
    .description("publish a CloudEvent to Kafka or NATS JetStream, in binary mode")
    .requiredOption("-f, --file <path>", "CloudEvent in structured form, JSON or YAML; - for standard input")
    .addOption(
      new Option(
        "--bus <name>",
        "where to; default: the bus whose addresses are given, else the local stack's",
      ).choices(["kafka", "nats"]),
    )
    .addOption(
      new Option("--brokers <list>", "of Kafka: HOST:PORT,…; else the local stack's").env("AUTOMATION_KAFKA_BROKERS"),
    )
    .addOption(
      new Option("--servers <list>", "of NATS: HOST:PORT,…; else the local stack's").env("AUTOMATION_NATS_SERVERS"),
    )
    .option("--topic <topic>", "topic of Kafka, subject of NATS", "automation.run.requested")
    .option("--source <uri>", "source, in place of the file's")
    .option("--id <id>", "event id, in place of the file's")
    .option("--watch", "follow the run that it asks for until it ends; exit 0 when it COMPLETED, else 1");
  withScope(command).action(publish);
}

async function publish(options: PublishOptions): Promise<void> {
  const scope = requireTenant(options);
  const record = toBinaryRecord(readEvent(options.file), { ...scope, source: options.source, id: options.id });
  const { bus, addresses, stateDir } = await busOf(options);
  const sink = await openSink(bus, addresses);
  const failed = (fate: string, remedy: string) => (cause: unknown) => {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CliError(3, `${fate} ${options.topic} at ${addresses.join(",")}: ${why}; ${remedy}`, { cause });
  };
  const headers = Object.entries(record.headers).map(([name, text]) => [name, Buffer.from(text)] as const);
  const again = `publish it again under the same id, ${record.headers.ce_id}: twice is one request`;
  try {
    await sink
      .connect()
      .catch(failed("the event was not published to", `start ${titles[bus]}, or correct ${addressOption[bus]}`));
    await sink
      .send(options.topic, [{ ...record, headers }])
      .catch(failed("it is not known whether the event is on", again));
  } finally {
    await sink.close();
  }
  const { ce_id: id = "", ce_source: source } = record.headers;
  if (options.watch) return await watchRunOf(id, options);
  if (options.json) print(jsonText({ topic: options.topic, id, source, ...scope }));
  else {
    const asked = ["--event-id", id];
    print(`published event ${id} of ${source} to ${options.topic}; what became of it:`);
    print(`  ${commandLine(["request", "list", ...asked], scope, stateDir)}`);
    print(
      `if it is not there, it was quarantined: its source may not speak for org ${scope.org}, or not for tenant ${scope.tenant}; then it is in one of`,
    );
    print(`  ${commandLine(["request", "list", ...asked], { ...scope, org: "*" }, stateDir)}`);
    print(`  ${commandLine(["delivery", "list", ...asked], undefined, stateDir)}`);
  }
}

/** Waits for the disposition of an event, then follows its run. */
async function watchRunOf(eventId: string, options: PublishOptions): Promise<void> {
  await withApi(options, "viewer", async (api, { json }) => {
    const delivery = await untilInterrupted((signal) => dispositionOf(api, eventId, signal));
    if (delivery === undefined) return;
    const { disposition, runId, reasons = [] } = toJson(RequestDeliverySchema, delivery);
    if (runId === undefined) {
      const why = reasons.map(reasonText).join("; ") || "it gives no reason";
      throw new CliError(1, `event ${eventId} is ${shortName(disposition, "DISPOSITION_").toLowerCase()}: ${why}`);
    }
    const { watchRun } = await import("./run-watch.ts");
    await watchRun(api, runId, 0n, json);
  });
}

/** @throws CliError 1 when the event gets no disposition in this tenant and org */
async function dispositionOf(api: ApiClient, eventId: string, signal: AbortSignal) {
  const until = performance.now() + dispositionWithinMs;
  while (performance.now() < until) {
    const { deliveries } = await api.requests.listRunRequests({ eventId, pageSize: 1 }, { signal });
    if (deliveries[0] !== undefined) return deliveries[0];
    await sleep(lookAgainMs, undefined, { signal });
  }
  const remedy =
    "see whether the dispatcher is ready, and whether the operator file binds its source to this tenant and org";
  throw new CliError(1, `event ${eventId} has no disposition here after ${dispositionWithinMs / 1_000} s; ${remedy}`);
}

function readEvent(file: string): JsonObject {
  const [document, second] = readDocuments(file);
  const json = document?.json;
  if (second !== undefined || typeof json !== "object" || json === null || Array.isArray(json))
    throw new CliError(2, `${file} must hold exactly one CloudEvent: specversion, id, source, type, data`);
  return json;
}

/**
 * Converts a CloudEvent to binary mode: attributes as `ce_` headers, `data` as the body. Data is not checked here; accept does that.
 * @throws CliError 2 that names the attribute, its value, the rule and the remedy
 */
export function toBinaryRecord(
  event: JsonObject,
  as: { readonly tenant: string; readonly org: string; readonly source?: string; readonly id?: string },
): { readonly key: string; readonly headers: Readonly<Record<string, string>>; readonly body: Uint8Array } {
  const { data, ...given } = event;
  if (data === undefined) throw new CliError(2, "data (absent): a CloudEvent here carries its payload in data; add it");
  const attributes: JsonObject = { ...given, ...(as.source === undefined ? {} : { source: as.source }) };
  if (as.id !== undefined) attributes.id = as.id;
  for (const [name, value] of [
    ["tenantid", as.tenant],
    ["orgid", as.org],
  ] as const) {
    const said = attributes[name] ?? value;
    if (said !== value) {
      const message = `${name} ${JSON.stringify(said)}: the file must name the tenant and org of the command, ${value} here; correct one of them`;
      throw new CliError(2, message);
    }
    attributes[name] = value;
  }
  for (const name of ["specversion", "id", "source", "type"]) {
    if (typeof attributes[name] === "string" && attributes[name] !== "") continue;
    const shown = JSON.stringify(attributes[name]) ?? "(absent)";
    throw new CliError(2, `${name} ${shown}: a CloudEvent has it as a text; add it to the file, in quotes`);
  }
  const { datacontenttype, ...others } = attributes;
  const headers: Record<string, string> = { "content-type": String(datacontenttype ?? "application/json") };
  for (const [name, value] of Object.entries(others)) {
    if (value === null) continue;
    if (!/^[a-z0-9]+$/.test(name))
      throw new CliError(2, `${name}: attribute names of a CloudEvent are lower-case letters and digits; rename it`);
    if (typeof value === "object") {
      const message = `${name} ${JSON.stringify(value)}: an attribute is a text, number or truth value; move it to data`;
      throw new CliError(2, message);
    }
    headers[`ce_${name}`] = String(value);
  }
  return { key: String(attributes.id), headers, body: Buffer.from(JSON.stringify(data)) };
}

type Bus = "kafka" | "nats";
const titles = { kafka: "Kafka", nats: "NATS" } as const;
const addressOption = { kafka: "--brokers", nats: "--servers" } as const;

async function openSink(bus: Bus, addresses: readonly string[]) {
  const secrets = createSecretFiles((_, why) => print(why));
  const environment = readEnvironment("publish", processEnvironment());
  const clientId = "automation-cli";
  if (bus === "nats") {
    const { createNatsSink } = await import("../../drivers/nats/nats-sink.ts");
    return createNatsSink({ servers: addresses, clientId, security: natsSecurityOf(environment, secrets) });
  }
  const { createKafkaSink } = await import("../../drivers/kafka/kafka-sink.ts");
  return createKafkaSink({ brokers: addresses, clientId, security: kafkaSecurityOf(environment, secrets) });
}

/** @returns the bus and its addresses, and the folder of the local stack when they are its own */
async function busOf({
  bus,
  brokers,
  servers,
  state,
}: PublishOptions): Promise<{ bus: Bus; addresses: readonly string[]; stateDir?: string }> {
  const given = { kafka: brokers, nats: servers };
  const named = bus ?? (["kafka", "nats"] as const).find((name) => given[name] !== undefined);
  const list = named === undefined ? undefined : given[named];
  if (named === undefined || list === undefined) return await busOfStack(named, state);
  const addresses = list.split(",");
  const bad = addresses.find((address) => !/^[^:\s]+:\d{1,5}$/.test(address));
  if (bad === undefined) return { bus: named, addresses };
  const fault = `${addressOption[named]} ${JSON.stringify(bad)}: must be HOST:PORT, separated by commas; correct it`;
  throw new CliError(2, fault);
}

/** @throws CliError 3 when no local stack runs, or it has another bus */
async function busOfStack(bus: Bus | undefined, state: string | undefined) {
  const give = `give ${bus === undefined ? "--brokers or --servers" : addressOption[bus]} HOST:PORT`;
  const { findRunningStack } = await loadLocalPart(() => import("../../../local/up/running-stack.ts"), give);
  const found = findRunningStack(process.cwd(), state);
  if (found === undefined)
    throw new CliError(3, `no local stack is running; start one with \`automation up\`, or ${give}`);
  const running = found.nats === undefined ? "kafka" : "nats";
  const addresses = found.nats?.servers ?? found.kafka?.brokers;
  if (addresses !== undefined && (bus ?? running) === running)
    return { bus: running, addresses, stateDir: found.dir } as const;
  const fault = `--bus ${bus}: the local stack has no ${titles[bus ?? "kafka"]}`;
  throw new CliError(3, `${fault}; start it with \`automation up --bus ${bus}\`, leave --bus out, or ${give}`);
}
