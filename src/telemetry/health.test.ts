import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { expect, it } from "vitest";
import { UnusableConfigurationError } from "../config/unusable-configuration-error.ts";
import { serveHealth } from "./health.ts";

it("names the variable, the address and the remedy when another program has the port of health and metrics", async () => {
  const other = createServer();
  await new Promise<void>((done) => other.listen(0, "127.0.0.1", done));
  const address = `127.0.0.1:${(other.address() as AddressInfo).port}`;
  const telemetry = { name: "relay" as const, readMetrics: async () => "" };
  const serving = serveHealth({ address, telemetry, check: async () => ({}) });
  await expect(serving).rejects.toThrow(UnusableConfigurationError);
  await expect(serving).rejects.toThrow(
    `AUTOMATION_HEALTH_ADDRESS: nothing can listen at ${address} (listen EADDRINUSE: address already in use ${address}); name a free address, for health and metrics`,
  );
  other.close();
});
