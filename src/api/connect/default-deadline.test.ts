import { expect, it } from "vitest";
import { createDefaultDeadline } from "./default-deadline.ts";
import { services } from "./routes.ts";

const apply = createDefaultDeadline(services);
const list = "/workflows_runtime.v1.WorkflowService/ListWorkflowRuns";
const after = (url: string, headers: Record<string, string>) => {
  apply({ url, headers });
  return headers;
};

it("gives a call without a deadline one of 30 s, in the header of its protocol", () => {
  expect(after(list, { "content-type": "application/json" })).toMatchObject({ "connect-timeout-ms": "30000" });
  expect(after(`${list}?connect=v1`, {})).toMatchObject({ "connect-timeout-ms": "30000" });
  expect(after(list, { "content-type": "application/grpc+proto" })).toMatchObject({ "grpc-timeout": "30S" });
  expect(after(list, { "content-type": "application/grpc-web+json" })).toMatchObject({ "grpc-timeout": "30S" });
});

it("leaves a deadline that the caller named, and streams, as they are", () => {
  expect(after(list, { "connect-timeout-ms": "5" })).toEqual({ "connect-timeout-ms": "5" });
  expect(after("/workflows_runtime.v1.WorkflowService/WatchWorkflowRun", {})).toEqual({});
});
