import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { ReasonSchema } from "../../../gen/automation/v1/run_event_pb.ts";
import { WorkflowService } from "../../../gen/workflows_runtime/v1/workflow_service_pb.ts";
import { RejectedRequestError } from "../../../requests/accept-call.ts";
import { UnknownRunError } from "../../../runs/in-run.ts";
import { SupersededExecutionError } from "../../../runs/speaker.ts";
import { createToConnectError } from "./errors.ts";

const logged: unknown[] = [];
const toConnectError = createToConnectError({ onInternal: (error, facts) => logged.push({ error, ...facts }) });
const told = (error: unknown) =>
  toConnectError(error, { correlationId: "c-1", method: WorkflowService.method.listWorkflowRuns });
const failure = (message: string, facts: object) => Object.assign(new Error(message), facts);

describe("an error of a room", () => {
  it("is told by its code, with its own words", () => {
    expect(told(new UnknownRunError("r-1"))).toMatchObject({
      code: Code.NotFound,
      rawMessage: expect.stringMatching(/"r-1"/),
    });
    expect(told(new SupersededExecutionError("r-1")).code).toBe(Code.Aborted);
  });

  it("that has reasons is told with each of them", () => {
    const reason = { code: "a", field: "b", value: "c", rule: "d", remedy: "e" };
    const error = told(new RejectedRequestError([reason, { ...reason, code: "z" }]));
    const wired = ConnectError.from(error);
    expect(wired.code).toBe(Code.FailedPrecondition);
    expect(wired.details).toMatchObject([
      { desc: ReasonSchema, value: { code: "a", remedy: "e" } },
      { desc: ReasonSchema, value: { code: "z" } },
    ]);
  });
});

describe("a failure of Postgres or S3", () => {
  it.each([
    ["a refused connection", failure("connect", { code: "ECONNREFUSED" })],
    ["several refused connections", new AggregateError([failure("", { code: "ECONNREFUSED" })])],
    ["a server that shuts down", failure("terminating", { code: "57P01", severity: "FATAL" })],
    ["too many connections", failure("sorry", { code: "53300", severity: "FATAL" })],
    ["a lock that does not come", failure("canceling", { code: "55P03", severity: "ERROR" })],
    ["a query that is not answered", new Error("Query read timeout")],
    ["a pool that has no connection left", new Error("timeout exceeded when trying to connect")],
    ["a lost connection", new Error("Connection terminated unexpectedly")],
    ["an object store in trouble", failure("slow down", { $metadata: { httpStatusCode: 503 } })],
    ["an object store that is silent", failure("aborted", { name: "AbortError" })],
    ["a cause below", new Error("seal", { cause: failure("connect", { code: "ECONNRESET" }) })],
  ])("such as %s is unavailable, so that the caller tries again", (_, error) => {
    expect(told(error).code).toBe(Code.Unavailable);
    expect(told(error).metadata.get("retry-after")).toBe("1");
    expect(logged.at(-1)).toMatchObject({ error, code: "unavailable" });
  });

  it("by what was sent is the caller's to correct", () => {
    expect(told(failure("invalid byte sequence", { code: "22021", severity: "ERROR" })).code).toBe(
      Code.InvalidArgument,
    );
  });
});

describe("any other error", () => {
  it("is logged whole and shown by its correlation id alone", () => {
    logged.length = 0;
    const secret = failure("password is hunter2", { code: "23505", severity: "ERROR" });
    const error = told(secret);
    expect(error.code).toBe(Code.Internal);
    expect(error.message).toContain("c-1");
    expect(error.message).not.toContain("hunter2");
    expect(logged).toEqual([
      {
        ...{ error: secret, correlationId: "c-1", code: "internal" },
        method: "workflows_runtime.v1.WorkflowService/ListWorkflowRuns",
      },
    ]);
  });
});
