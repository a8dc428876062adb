import { gzipSync } from "node:zlib";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { create, createFileRegistry, fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Code, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../src/gen/grpc/health/v1/health_pb.ts";
import { ServerReflection, ServerReflectionRequestSchema } from "../../src/gen/grpc/reflection/v1/reflection_pb.ts";
import { ArtifactService } from "../../src/gen/workflows_runtime/v1/artifact_service_pb.ts";
import {
  ListWorkflowRunsRequestSchema,
  WorkflowService,
} from "../../src/gen/workflows_runtime/v1/workflow_service_pb.ts";
import type { TestEngines } from "../support/engines/engines.ts";
import { startEngines } from "../support/engines/engines.ts";
import type { RawCall, Told } from "../support/probes/raw-calls.ts";
import { callGrpc, callHttp1, envelope, sendPieces } from "../support/probes/raw-calls.ts";
import type { RunningApi } from "../support/worlds/api.ts";
import { errorOf, scope, startApi } from "../support/worlds/api.ts";

let engines: TestEngines;
let api: RunningApi;
let headers: Record<string, string>;
let listed: string;
let watched: string;
const service = WorkflowService.typeName;

beforeAll(async () => {
  engines = await startEngines({ postgres: true, s3: true });
  api = await startApi("api: { reflection: true }", async () => engines);
  headers = { ...scope, authorization: `Bearer ${await api.token({ roles: ["admin", "worker"] })}` };
  listed = `${api.url}/${service}/ListWorkflowRuns`;
  watched = `${api.url}/${service}/WatchWorkflowRun`;
});
afterAll(() => api?.stop());

/** A message through each door that a method of one answer has. */
const doors: readonly [
  string,
  (call: Pick<RawCall, "url"> & { readonly json?: string; readonly bytes?: Uint8Array }) => Promise<Told>,
][] = [
  ["Connect", (call) => callHttp1(raw(call, "application/", (message) => Buffer.from(message as string)))],
  ["gRPC", (call) => callGrpc(raw(call, "application/grpc+", envelope))],
  ["gRPC-web", (call) => callHttp1(raw(call, "application/grpc-web+", envelope))],
];

function raw(
  { url, json, bytes }: { readonly url: string; readonly json?: string; readonly bytes?: Uint8Array },
  type: string,
  wrap: (message: Uint8Array | string) => Buffer,
): RawCall {
  return { url, headers, type: `${type}${json === undefined ? "proto" : "json"}`, body: wrap(json ?? bytes ?? "") };
}

const isInvalid = expect.stringMatching(/^(invalid_argument|3)$/);
const isUnimplemented = expect.stringMatching(/^(unimplemented|12)$/);

describe("JSON that is not wholly understood", () => {
  it.each(doors)("is refused over %s, with field, value, rule and remedy", async (_, call) => {
    const wrong = { requestId: "r", request: { profile: { id: "team" }, workKind: "story", prio: 3 } };
    const unknown = await call({ url: `${api.url}/${service}/StartWorkflowRun`, json: JSON.stringify(wrong) });
    expect(unknown).toMatchObject({ code: isInvalid });
    expect(unknown.message).toContain('request.prio "3": RunRequested has no such field; use one of');
    expect(unknown.message).toContain("priority");
    const name = await call({ url: listed, json: '{"status":"RUNNIN"}' });
    expect(name).toMatchObject({ code: isInvalid });
    expect(name.message).toContain('status "RUNNIN": must be a RunStatus; use one of RUN_STATUS_');
  });

  it("is refused for a day that does not exist", async () => {
    const json = JSON.stringify({ requestId: "r", request: { deadline: "2027-02-30T00:00:00Z" } });
    const told = await callHttp1(
      raw({ url: `${api.url}/${service}/StartWorkflowRun`, json }, "application/", Buffer.from),
    );
    expect(told.code).toBe("invalid_argument");
    expect(told.message).toContain('request.deadline "2027-02-30T00:00:00Z": must be a day and time that exist');
  });

  it("is refused in a stream and in a query, too", async () => {
    const stream = { url: watched, type: "application/connect+json", headers };
    expect(await callHttp1({ ...stream, body: envelope('{"runId":"r","fromSequence":1}') })).toMatchObject({
      code: "invalid_argument",
      message: expect.stringContaining('fromSequence "1": WatchWorkflowRunRequest has no such field'),
    });
    const query = `${listed}?connect=v1&encoding=json&message=${encodeURIComponent('{"pageSze":1}')}`;
    expect(await (await fetch(query, { headers })).json()).toMatchObject({
      code: "invalid_argument",
      message: expect.stringContaining('pageSze "1": ListWorkflowRunsRequest has no such field'),
    });
  });

  it("is told by its place in lists and below them", async () => {
    const plan = { steps: [{ id: "a" }, { id: "b", command: { argv: ["make"], shell: true } }] };
    const json = JSON.stringify({ definitionId: "d", version: "1", plan });
    const told = await callHttp1(
      raw({ url: `${api.url}/${service}/PublishWorkflowVersion`, json }, "application/", Buffer.from),
    );
    expect(told.message).toContain('plan.steps.1.command.shell "true": ');
  });

  it.each([
    ["no JSON", "{", /Expected property name/],
    ["no object", "[]", /must be a mapping of fields/],
    ["nothing", "", /Unexpected end/],
    ["a field that is given twice", '{"pageSize":1,"pageSize":2}', /pageSize ".*": must come once in its object/],
    ["a field by both of its names", '{"pageSize":1,"page_size":2}', /page_size "2": is the same field as pageSize/],
    ["another type", '{"profileId":5}', /profileId "5": expected string/],
    ["a number that has no room", '{"pageSize":1e99}', /pageSize "1e\+99": .*out of range/],
    [
      "a number that no double is",
      '{"pageSize":9007199254740993}',
      /pageSize "9007199254740993": must be a number that a double holds exactly/,
    ],
    ["bytes that are not UTF-8", Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), /JSON is UTF-8/],
    [
      "a tower of lists",
      `{"pageSize":${"[".repeat(100_000)}${"]".repeat(100_000)}}`,
      /must be at most 100 levels deep/,
    ],
    [
      "a field of five million letters",
      `{"${"k".repeat(5_000_000)}":1}`,
      /k… "1": ListWorkflowRunsRequest has no such/,
    ],
  ])("that is %s is refused in words that fit a line", async (_, body, words) => {
    const told = await callHttp1({ url: listed, type: "application/json", body, headers });
    expect(told).toMatchObject({ status: 400, code: "invalid_argument", message: expect.stringMatching(words) });
    expect(told.message.length).toBeLessThan(1_001);
  });

  it("has both names of a field, as the protobuf standard says", async () => {
    for (const body of ['{"pageSize":1}', '{"page_size":1}', "\ufeff{}"])
      expect(await callHttp1({ url: listed, type: "application/json", body, headers })).toMatchObject({ status: 200 });
  });
});

describe("a binary message", () => {
  it.each(doors)("of a newer caller is understood over %s, fields that are unknown here left out", async (_, call) => {
    const known = toBinary(ListWorkflowRunsRequestSchema, create(ListWorkflowRunsRequestSchema, { pageSize: 1 }));
    const bytes = Buffer.concat([known, Buffer.from([0xf8, 0x3f, 0x01]), Buffer.from([0xfa, 0x3f, 0x01, 0x61])]);
    expect(await call({ url: listed, bytes })).toMatchObject({ status: 200, code: "" });
  });

  describe.each(doors)("that is malformed is the caller's mistake over %s", (_, call) => {
    it.each([
      ["cut short", [0x12, 0x05, 0x61]],
      ["of no wire type", [0x0f]],
      ["of field 0", [0x00, 0x01]],
      ["no UTF-8 where text is", [0x12, 0x02, 0xff, 0xfe]],
      ["groups in groups", Array.from({ length: 5_000 }, () => 0x7b)],
      ["the end of a group that did not begin", [0x7c]],
      ["a number without end", Array.from({ length: 11 }, () => 0xff)],
    ])("%s", async (_, bytes) => {
      expect(await call({ url: listed, bytes: Uint8Array.from(bytes) })).toMatchObject({
        code: isInvalid,
        message: expect.stringContaining(`is not a ${ListWorkflowRunsRequestSchema.typeName}`),
      });
    });
  });

  it.each([
    ["an envelope that is cut short", Buffer.from([0, 0, 0]), {}, /incomplete envelope/],
    ["an envelope that promises more", Buffer.from([0, 0, 0, 0, 9, 1]), {}, /incomplete envelope/],
    ["gzip that is none", envelope("none", 1), { "grpc-encoding": "gzip" }, /decompression failed/],
    [
      "gzip that is cut short",
      envelope(gzipSync("x".repeat(99)).subarray(0, 15), 1),
      { "grpc-encoding": "gzip" },
      /decompression failed/,
    ],
    ["a timeout without a unit", envelope(""), { "grpc-timeout": "1" }, /timeout/],
    ["a timeout of 9,000 digits", envelope(""), { "grpc-timeout": "9".repeat(9_000) }, /timeout/],
    ["a timeout beyond an hour", envelope(""), { "grpc-timeout": "99999999H" }, /3600000/],
  ])("in %s is the caller's mistake, too", async (_, body, more, words) => {
    const told = await callGrpc({ url: listed, type: "application/grpc", body, headers: { ...headers, ...more } });
    expect(told).toMatchObject({ code: String(Code.InvalidArgument), message: expect.stringMatching(words) });
    expect(told.message.length).toBeLessThan(1_001);
  });

  it("in a query that is no base64 is the caller's mistake, too", async () => {
    const answer = await fetch(`${listed}?connect=v1&encoding=proto&base64=1&message=***`, { headers });
    expect(await answer.json()).toMatchObject({
      code: "invalid_argument",
      message: expect.stringMatching(/base64url/),
    });
  });
});

describe("what a caller sent", () => {
  it("comes back cut, with the remedy behind it, and is cut in the audit log", async () => {
    const long = "x".repeat(5_000_000);
    const calls: [string, object][] = [
      [`${service}/DescribeWorkflowRun`, { runId: long }],
      [`${service}/CancelWorkflowRun`, { runId: long }],
      [`${service}/CancelWorkflowRun`, { runId: "r", reason: long }],
      [`${ArtifactService.typeName}/GetArtifactUrl`, { artifactId: long }],
      [`${service}/GetWorkflowVersion`, { definition: { id: "d", version: long } }],
      [`${service}/StartWorkflowRun`, { requestId: long }],
      [`governance.v1.GovernanceService/GetAttestation`, { id: long }],
      [`governance.v1.ProfileService/GetProfile`, { id: "p", version: long }],
      [`${Health.typeName}/Check`, { service: long }],
    ];
    for (const [method, request] of calls) {
      const url = `${api.url}/${method}`;
      const told = await callHttp1({ url, type: "application/json", body: JSON.stringify(request), headers });
      expect({ method, code: told.code }).toEqual({
        method,
        code: expect.stringMatching(/not_found|invalid_argument/),
      });
      expect(told.message).toMatch(/x…".* /);
      expect(told.message.length).toBeLessThan(1_001);
    }
    const { rows } = await api.admin.query("select max(length(a::text)) as longest from audit_log a");
    expect(Number(rows[0]?.longest)).toBeLessThan(1_000);
  });

  it("wrongly in many places is told over gRPC in trailers that common clients take", async () => {
    const steps = Array.from({ length: 60 }, (_, n) => ({ id: `${"é".repeat(150)}${n}`, command: { argv: [] } }));
    const json = JSON.stringify({ definitionId: "d", version: "1", plan: { steps } });
    const told = await callGrpc(
      raw({ url: `${api.url}/${service}/PublishWorkflowVersion`, json }, "application/grpc+", envelope),
    );
    expect(told.code).toBe(String(Code.InvalidArgument));
    expect(told.headers["grpc-status-details-bin"]).toBeDefined();
    expect(JSON.stringify(told.headers).length).toBeLessThan(8_192);
  });
});

describe("a call that is too large", () => {
  it("is told so over HTTP/1.1 while it still sends, and its connection serves on", async () => {
    const head = (length: string) =>
      `POST /${service}/ListWorkflowRuns HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n${length}\r\n${lines(headers)}\r\n\r\n`;
    const chunk = `10000\r\n${"x".repeat(0x10000)}\r\n`;
    const large = [head("transfer-encoding: chunked"), ...Array.from({ length: 200 }, () => chunk), "0\r\n\r\n"];
    const next = head("connection: close\r\ncontent-length: 2");
    const answers = (await sendPieces(api.url, [...large, `${next}{}`])).toString();
    expect(answers.match(/(?<=HTTP\/1\.1 )\d+/g)).toEqual(["429", "200"]);
    expect(answers).toMatch(/"resource_exhausted".*6291456/);
  });
});

const lines = (fields: object): string =>
  Object.entries(fields)
    .map(([name, value]) => `${name}: ${value}`)
    .join("\r\n");

describe("what is not served", () => {
  it.each(doors)("such as an unknown method or service is unimplemented over %s", async (name, call) => {
    for (const path of [`${service}/Nothing`, "scrum.v1.ScrumService/RaiseImpediment", "x".repeat(9_000)]) {
      const told = await call({ url: `${api.url}/${path}`, json: "{}" });
      expect(told).toMatchObject({ status: name === "Connect" ? 404 : 200, code: isUnimplemented });
      expect(told.message).toMatch(/^there is no method "\/.{7,200}"; the proto files/);
    }
  });

  it("is answered by the verbs and the types that are", async () => {
    const put = await fetch(listed, { method: "PUT", headers });
    expect({ status: put.status, allow: put.headers.get("allow") }).toEqual({ status: 405, allow: "POST, GET" });
    const get = await fetch(`${api.url}/${service}/CancelWorkflowRun`, { headers });
    expect({ status: get.status, allow: get.headers.get("allow") }).toEqual({ status: 405, allow: "POST" });
    const told = (url: string, type: string) => callHttp1({ url, type, body: "{}", headers });
    expect(await told(listed, "text/plain")).toMatchObject({
      status: 415,
      message: expect.stringMatching(/application\/json/),
    });
    expect(await told(watched, "application/json")).toMatchObject({
      status: 415,
      message: expect.stringMatching(/connect\+json/),
    });
    expect((await fetch(`${listed}?message={}`, { headers })).status).toBe(415);
  });
});

describe("a connection", () => {
  const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u0004\0\0\0\0\0", "latin1");
  const bytewise = (bytes: Buffer) => Array.from(bytes, (_, at) => bytes.subarray(at, at + 1));
  const get = "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

  it("speaks HTTP/2 when its preface comes in pieces", async () => {
    for (const pieces of [[preface], bytewise(preface), [preface.subarray(0, 1), preface.subarray(1)]]) {
      const settings = await sendPieces(api.url, pieces, 9);
      expect(settings.subarray(3, 5)).toEqual(Buffer.from([4, 0])); // the type of a SETTINGS frame
    }
  });

  it.each([
    ["byte by byte", bytewise(Buffer.from(get)), /^HTTP\/1\.1 200/],
    [
      "P alone, then the rest of POST",
      [
        "P",
        `OST /${service}/ListWorkflowRuns HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}`,
      ],
      /^HTTP\/1\.1 401/,
    ],
    [
      "a verb that begins like the preface",
      ["PR", "OPFIND / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"],
      /^HTTP\/1\.1 404/,
    ],
    ["HTTP/1.0 without a host", ["GET /healthz HTTP/1.0\r\n\r\n"], /^HTTP\/1\.1 200/],
    [
      "a call of HTTP/1.0 without a host",
      [`POST /${service}/ListWorkflowRuns HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}`],
      /^HTTP\/1\.1 401/,
    ],
    [
      "a host that is none",
      [
        `POST /${service}/ListWorkflowRuns HTTP/1.1\r\nhost: [bad\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}`,
      ],
      /^HTTP\/1\.1 400.*host \\"\[bad/s,
    ],
    [
      "a wish for h2c",
      [get.replace("close", "close, Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__")],
      /^HTTP\/1\.1 200/,
    ],
    ["TLS", [Buffer.from("1603010200010001fc0303", "hex")], /^HTTP\/1\.1 400/],
    ["the word of a proxy", [`PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n${get}`], /^HTTP\/1\.1 400/],
  ])("that sends %s is answered, and the process lives on", async (_, pieces, answer) => {
    expect((await sendPieces(api.url, pieces)).toString()).toMatch(answer);
    expect((await fetch(`${api.url}/healthz`)).status).toBe(200);
  });
});

describe("a probe without a token", () => {
  const health = () => createClient(Health, createGrpcTransport({ baseUrl: api.url }));

  it("is told the health of each service that is served, and that another one is unknown", async () => {
    for (const name of ["", service, "agents.v1.AgentsService"])
      expect(await health().check({ service: name })).toMatchObject({ status: Status.SERVING });
    expect((await errorOf(health().check({ service: "scrum.v1.ScrumService" }))).code).toBe(Code.NotFound);
    expect((await health().list({})).statuses[service]).toMatchObject({ status: Status.SERVING });
  });

  it("hears at once how it stands when it watches, of an unknown service as well", async () => {
    for (const [name, status] of [
      [service, Status.SERVING],
      ["nobody", Status.SERVICE_UNKNOWN],
    ] as const) {
      const ending = new AbortController();
      for await (const told of health().watch({ service: name }, { signal: ending.signal })) {
        expect(told.status).toBe(status);
        break;
      }
      ending.abort();
    }
  });

  it("hears the end of the process as the last word", async () => {
    const heard: Status[] = [];
    const watching = (async () => {
      for await (const { status } of health().watch({})) heard.push(status);
    })();
    await expect.poll(() => heard).toEqual([Status.SERVING]);
    await api.shut();
    await watching;
    expect(heard).toEqual([Status.SERVING, Status.NOT_SERVING]);
    await api.start();
  });
});

describe("reflection, where the operator has it", () => {
  const reflect = async (request: MessageInitShape<typeof ServerReflectionRequestSchema>) => {
    const client = createClient(ServerReflection, createGrpcTransport({ baseUrl: api.url }));
    const answers = client.serverReflectionInfo(
      (async function* () {
        yield request;
      })(),
    );
    for await (const { messageResponse } of answers) return messageResponse;
    throw new Error("the stream has ended without an answer");
  };
  const ask = (name: string, value: string) => reflect({ messageRequest: { case: name, value } as never });

  it("tells tools the services, and the files that describe them and all that they use", async () => {
    const listed = await ask("listServices", "*");
    expect(listed).toMatchObject({
      value: { service: expect.arrayContaining([expect.objectContaining({ name: service })]) },
    });
    for (const symbol of [service, `${service}.ListWorkflowRuns`, "automation.v1.Policy", "buf.validate.field"]) {
      const { case: kind, value } = await ask("fileContainingSymbol", symbol);
      if (kind !== "fileDescriptorResponse") throw new Error(`${symbol}: ${kind}`);
      const file = value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes)).reverse();
      const registry = createFileRegistry(create(FileDescriptorSetSchema, { file }));
      expect(registry.get(symbol) ?? registry.getService(service)).toBeDefined();
    }
    expect(await ask("fileByFilename", "automation/v1/policy.proto")).toMatchObject({ case: "fileDescriptorResponse" });
    expect(await ask("allExtensionNumbersOfType", "google.protobuf.MethodOptions")).toMatchObject({
      value: { extensionNumber: [expect.any(Number)] },
    });
  });

  it("says so when there is no such thing, whatever it is called", async () => {
    for (const [name, value] of [
      ["fileContainingSymbol", "no.Such"],
      ["fileByFilename", ".".repeat(5_000_000)],
    ] as const)
      expect(await ask(name, value)).toMatchObject({ case: "errorResponse", value: { errorCode: Code.NotFound } });
  });

  it("answers older tools by its older name", async () => {
    const request = create(ServerReflectionRequestSchema, { messageRequest: { case: "listServices", value: "" } });
    const url = `${api.url}/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo`;
    const body = envelope(toBinary(ServerReflectionRequestSchema, request));
    expect(await callGrpc({ url, type: "application/grpc", body, headers: {} })).toMatchObject({
      status: 200,
      code: "",
    });
  });
});

describe("a probe, when nothing moves", () => {
  it("is told what /readyz says", async () => {
    await engines.postgres.engine.stop(5_000);
    const health = createClient(Health, createGrpcTransport({ baseUrl: api.url }));
    await vi.waitFor(async () => expect((await fetch(`${api.url}/readyz`)).status).toBe(503), {
      timeout: 60_000,
      interval: 100,
    });
    expect(await health.check({})).toMatchObject({ status: Status.NOT_SERVING });
    expect(await health.check({ service })).toMatchObject({ status: Status.NOT_SERVING });
  });
});
