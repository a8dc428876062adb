import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { create } from "@bufbuild/protobuf";
import type { ConnectRouter } from "@connectrpc/connect";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { connectNodeAdapter, createConnectTransport } from "@connectrpc/connect-node";
import { afterEach, describe, expect, it } from "vitest";
import type { RunEvent } from "../../gen/automation/v1/run_event_pb.ts";
import { RunEventSchema, RunStatus } from "../../gen/automation/v1/run_event_pb.ts";
import { WatchWorkflowRunResponseSchema, WorkflowService } from "../../gen/workflows_runtime/v1/workflow_service_pb.ts";
import { followRun } from "./follow-run.ts";

const statuses = [
  RunStatus.ADMITTED,
  RunStatus.PREPARING,
  RunStatus.EVALUATING,
  RunStatus.SEALING,
  RunStatus.COMPLETED,
];
const log = statuses.map((status, index) =>
  create(RunEventSchema, { sequence: BigInt(index + 1), payload: { case: "status", value: { status } } }),
);

let close = () => {};
afterEach(() => close());

/** A server that speaks for one run, and is told how each connection ends. */
async function serve(watch: (after: bigint, connection: number) => AsyncGenerator<RunEvent>) {
  const asked: bigint[] = [];
  const routes = (router: ConnectRouter) =>
    router.service(WorkflowService, {
      async *watchWorkflowRun({ afterSequence }) {
        asked.push(afterSequence);
        for await (const event of watch(afterSequence, asked.length))
          yield create(WatchWorkflowRunResponseSchema, { update: { case: "event", value: event } });
      },
      describeWorkflowRun: () => ({ run: { status: RunStatus.COMPLETED, lastSequence: 5n } }),
    });
  const server = createServer(connectNodeAdapter({ routes }));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  close = () => {
    server.closeAllConnections();
    server.close();
  };
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const workflows = createClient(WorkflowService, createConnectTransport({ baseUrl, httpVersion: "1.1" }));
  return { api: { workflows }, asked, drop: () => server.closeAllConnections() };
}

async function follow(api: Parameters<typeof followRun>[0], after = 0n) {
  const told: bigint[] = [];
  const end = await followRun(api, {
    runId: "r",
    after,
    signal: AbortSignal.timeout(60_000),
    onEvent: ({ sequence }) => told.push(sequence),
    onReconnect: () => {},
  });
  return { end, told };
}

describe("following a run", () => {
  it("tells each event once when the connection is dropped on the way", async () => {
    const { api, asked, drop } = await serve(async function* (after, connection) {
      for (const event of log.slice(Number(after))) {
        yield event;
        if (connection < 3 && event.sequence === BigInt(connection * 2)) {
          setTimeout(drop, 50);
          await new Promise(() => {});
        }
      }
    });
    expect(await follow(api)).toEqual({ end: RunStatus.COMPLETED, told: [1n, 2n, 3n, 4n, 5n] });
    expect(asked).toEqual([0n, 2n, 4n]);
  });

  it("leaves out what was told already, even when it is sent again", async () => {
    const { api } = await serve(async function* () {
      yield* log;
    });
    expect((await follow(api, 3n)).told).toEqual([4n, 5n]);
  });

  it("ends when the run had ended before the first event that is asked for", async () => {
    const { api } = await serve(async function* () {});
    expect(await follow(api, 5n)).toEqual({ end: RunStatus.COMPLETED, told: [] });
  });

  it("does not try again what the api refuses", async () => {
    const { api, asked } = await serve(() => {
      throw new ConnectError("no such run", Code.NotFound);
    });
    await expect(follow(api)).rejects.toMatchObject({ code: Code.NotFound });
    expect(asked).toHaveLength(1);
  });
});
