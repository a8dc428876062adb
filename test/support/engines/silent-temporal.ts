import type { Logger } from "@temporalio/worker";
import { Runtime } from "@temporalio/worker";

export const silent: Logger = { log() {}, trace() {}, debug() {}, info() {}, warn() {}, error() {} };

/** Keeps the SDK's news out of the tests' output; before any worker or connection of the process. */
export function muteTemporal(): void {
  Runtime.install({ logger: silent, telemetryOptions: { logging: { filter: "OFF", forward: {} } } });
}
