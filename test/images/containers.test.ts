import { chmodSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { declareDemo } from "../../local/demo/declare.ts";
import { runDemo } from "../../local/demo/demo.ts";
import { readDemoSettings } from "../../local/demo/settings.ts";
import { mintToken } from "../../local/issuer/mint-token.ts";
import { followRun } from "../../src/cli/ask/follow-run.ts";
import { createApiClient } from "../../src/client/api-client.ts";
import { RunStatus } from "../../src/gen/automation/v1/run_event_pb.ts";
import { automationImage, workspaceImage } from "../support/containers/build-images.ts";
import type { ContainerStack } from "../support/containers/container-stack.ts";
import { startContainerStack } from "../support/containers/container-stack.ts";
import { inContainer } from "../support/containers/run-container.ts";
import { brokersOf, clone, objects } from "../support/engines/stack.ts";
import { waitUntil } from "../support/worlds/api.ts";

/** The processes of the program in containers, against engines on this machine. */

const limitMs = 120_000;
const scope = { tenant: "acme", org: "retail" };
const acme = ["--tenant", scope.tenant, "--org", scope.org];
let stack: ContainerStack;

beforeAll(async () => {
  stack = await startContainerStack(AbortSignal.timeout(limitMs));
});
afterAll(async () => await stack?.close());

it("prepares database, topics and bucket in a container, twice without harm", async () => {
  expect(await stack.migrate(automationImage)).toEqual({ code: 0, signal: null });
  expect(await stack.migrate(automationImage)).toEqual({ code: 0, signal: null });
});

it.each(["api", "dispatcher", "relay", "worker"])(
  "runs %s with a read-only root, as an ordinary user without capabilities",
  async (name) => {
    await stack.start(name, automationImage);
    expect(stack.logOf(name)).not.toMatch(/"level":"(error|fatal)"/);
  },
);

it("takes an event of a plan without workspace to COMPLETED, by containers only", async () => {
  const signal = AbortSignal.timeout(limitMs);
  const { state } = stack;
  const token = await mintToken(state, { ...scope, role: "admin", subject: "test" }, signal);
  const api = createApiClient({ apiUrl: state.api.url, token: () => token, ...scope });
  for await (const { outcome } of declareDemo(api, state, readDemoSettings(), signal))
    expect(outcome).not.toBe("conflict");

  const event = readFileSync(join(clone, "examples", "demo", "event.json"), "utf8");
  const publish = ["event", "publish", "--file", "-", "--id", "in-containers", "--json", ...acme];
  const published = await inContainer(automationImage, [...publish, "--brokers", brokersOf(state).join(",")], {
    input: event,
  });
  expect(published).toMatchObject({ code: 0, stderr: "" });
  expect(objects(published.stdout)).toMatchObject([{ id: "in-containers" }]);

  let runId = "";
  await waitUntil(async () => {
    const { deliveries } = await api.requests.listRunRequests({ eventId: "in-containers" }, { signal });
    runId = deliveries[0]?.runId ?? "";
    return runId !== "";
  });
  const follow = { runId, after: 0n, signal, onEvent: () => undefined, onReconnect: () => undefined };
  expect(await followRun(api, follow)).toBe(RunStatus.COMPLETED);
});

it("shows a run by the command line of the image", async () => {
  const { state } = stack;
  const token = await mintToken(state, { ...scope, role: "viewer", subject: "test" });
  const listed = await inContainer(automationImage, ["run", "list", "--api-url", state.api.url, "--json", ...acme], {
    flags: [`--env=AUTOMATION_TOKEN=${token}`],
  });
  expect(objects(listed.stdout), listed.stderr).toMatchObject([{ status: "RUN_STATUS_COMPLETED" }]);
});

it("repairs the demo's story in the image with the sandbox", async () => {
  chmodSync(join(stack.state.dir, "repositories", String(readDemoSettings().repository.id)), 0o755); // made for its owner only
  await stack.start("workspace", workspaceImage);
  expect(stack.logOf("workspace")).toContain("the sandbox is proven");
  const signal = AbortSignal.timeout(limitMs);
  expect(await runDemo({ state: stack.state, failing: false, json: true, signal })).toEqual({ completed: true });
});

describe.each(["workspace", "worker", "dispatcher", "relay", "api"])("SIGTERM of %s", (name) => {
  it("drains and ends with 0", async () => {
    expect(await stack.stop(name)).toEqual({ code: 0, signal: null });
  });
});
