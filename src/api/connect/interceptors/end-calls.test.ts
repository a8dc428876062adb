import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { expect, it } from "vitest";
import { WorkflowService } from "../../../gen/workflows_runtime/v1/workflow_service_pb.ts";
import { createEndCalls } from "./end-calls.ts";
import { createErrors, createToConnectError } from "./errors.ts";

it("answers a call that outlasts the process with `unavailable`, and when to try again", async () => {
  const overdue = new AbortController();
  const toConnectError = createToConnectError({ onInternal: () => undefined });
  const begun = Promise.withResolvers<void>();
  const transport = createRouterTransport(
    ({ service }) =>
      service(WorkflowService, {
        listWorkflowRuns: () => {
          begun.resolve();
          return new Promise(() => undefined);
        },
        listWorkflowRules: () => ({}),
      }),
    { router: { interceptors: [createErrors(toConnectError), createEndCalls(overdue.signal)] } },
  );
  const client = createClient(WorkflowService, transport);
  expect(await client.listWorkflowRules({})).toBeDefined();
  const call = client.listWorkflowRuns({}).catch(ConnectError.from);
  await begun.promise;
  overdue.abort();
  const { code, metadata } = (await call) as ConnectError;
  expect([code, metadata.get("retry-after")]).toEqual([Code.Unavailable, "1"]);
});
