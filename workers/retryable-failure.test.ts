import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Code, ConnectError } from "@connectrpc/connect";
import { ApplicationFailure, CancelledFailure } from "@temporalio/activity";
import { expect, it } from "vitest";
import { createApiClient } from "../src/client/api-client.ts";
import { failureOf } from "./retryable-failure.ts";

const notCancelled = new AbortController().signal;

/** What a real call to a real server of that behaviour fails with. */
async function failureAgainst(answer: Parameters<typeof createServer>[1]): Promise<Error> {
  const server = createServer(answer);
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  const apiUrl = `http://127.0.0.1:${port}`;
  const { runWorker } = createApiClient({ apiUrl, token: () => "t", tenant: "acme", org: "acme" });
  try {
    await runWorker.beginRun({}, { timeoutMs: 2_000 });
  } catch (error) {
    return failureOf(error, notCancelled);
  } finally {
    server.closeAllConnections();
    server.close();
  }
  throw new Error("the call was expected to fail");
}

it("takes the api's aborted for a superseded execution, for good", async () => {
  const failure = await failureAgainst((_, response) => {
    response.writeHead(409, { "content-type": "application/json" });
    response.end(JSON.stringify({ code: "aborted", message: "another execution speaks for the run" }));
  });
  expect(failure).toMatchObject({ type: "SupersededExecution", nonRetryable: true });
});

it("takes a connection that breaks within a call for a failure that passes, never for superseded", async () => {
  const failure = await failureAgainst((request) => request.socket.resetAndDestroy());
  expect(failure).toMatchObject({ type: "Unavailable", nonRetryable: false });
});

it("tries again what may heal, and not what stays so", () => {
  for (const code of [Code.Unavailable, Code.Internal, Code.DeadlineExceeded, Code.Unauthenticated, Code.Unimplemented])
    expect(failureOf(new ConnectError("no", code), notCancelled)).toMatchObject({ nonRetryable: false });
  for (const code of [Code.InvalidArgument, Code.NotFound, Code.FailedPrecondition])
    expect(failureOf(new ConnectError("no", code), notCancelled)).toMatchObject({ nonRetryable: true });
  expect(failureOf(new Error("the token file is empty"), notCancelled)).toBeInstanceOf(ApplicationFailure);
});

it("calls a call cancelled that the activity's cancellation cut short", () => {
  expect(failureOf(new ConnectError("aborted", Code.Canceled), AbortSignal.abort())).toBeInstanceOf(CancelledFailure);
});
