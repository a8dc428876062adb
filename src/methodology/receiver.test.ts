import { once } from "node:events";
import { createServer } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HandoffPhase } from "../gen/automation/v1/run_event_pb.ts";
import type {
  AttachIncrementEvidenceRequest,
  AttachIncrementEvidenceResponseSchema,
} from "../gen/scrum/v1/scrum_service_pb.ts";
import { ScrumService } from "../gen/scrum/v1/scrum_service_pb.ts";
import type { HandoffCall } from "./methodology.ts";
import type { protocols } from "./receiver.ts";
import { createReceiver } from "./receiver.ts";
import { scrum } from "./scrum.ts";

type Heard = { readonly token: string | null; readonly request: AttachIncrementEvidenceRequest };

const heard: Heard[] = [];
let answer: () => MessageInitShape<typeof AttachIncrementEvidenceResponseSchema>;
const handler = connectNodeAdapter({
  routes: (router) =>
    void router.service(ScrumService, {
      attachIncrementEvidence: (request, { requestHeader }) => {
        heard.push({ token: requestHeader.get("authorization"), request });
        return answer();
      },
    }),
});
const servers = { connect: createServer(handler), grpc: createHttp2Server(handler) };

beforeAll(async () => {
  for (const server of Object.values(servers)) await once(server.listen(0, "127.0.0.1"), "listening");
});
afterAll(() => {
  for (const server of Object.values(servers)) server.close();
});

const options = { timeoutMs: 10_000, signal: new AbortController().signal };
const call: HandoffCall = {
  rpc: "AttachIncrementEvidence",
  phase: "CONFIRM",
  meta: { idempotencyKey: "k-1", runId: "run-1" },
  payload: { product: "webshop", sprint: "S-7" },
};
const receiverAt = (server: keyof typeof servers, protocol: keyof typeof protocols) =>
  createReceiver({
    methodology: scrum,
    protocol,
    endpoint: `http://127.0.0.1:${(servers[server].address() as AddressInfo).port}`,
    readToken: () => "secret",
    tryTimeoutMs: 10_000,
  });

it("every call of a methodology's service takes HandoffMeta in one field", () => {
  for (const { input } of scrum.service.methods)
    expect(input.fields.filter(({ message }) => message?.typeName === "automation.v1.HandoffMeta")).toHaveLength(1);
});

describe.each(["connect", "grpc"] as const)("a receiver that speaks %s", (protocol) => {
  it("gets the call in its own words, with key, phase and our token, and returns ids under their kinds", async () => {
    answer = () => ({ incrementId: "INC-1" });
    expect(await receiverAt(protocol, protocol).send(call, options)).toEqual({
      state: "ACKNOWLEDGED",
      answer: { incrementId: "INC-1" },
      returned: [{ kind: "increment", id: "INC-1", parent: { kind: "product", id: "webshop" } }],
    });
    const { token, request } = heard.pop() ?? {};
    expect(token).toBe("Bearer secret");
    expect(request).toMatchObject({
      product: "webshop",
      sprint: "S-7",
      meta: { idempotencyKey: "k-1", runId: "run-1", phase: HandoffPhase.CONFIRM },
    });
  });

  it("may refuse, and its reason is kept", async () => {
    answer = () => {
      throw new ConnectError("S-7 is closed", Code.FailedPrecondition);
    };
    expect(await receiverAt(protocol, protocol).send(call, options)).toEqual({
      state: "REFUSED",
      code: "failed_precondition",
      reason: "S-7 is closed",
    });
  });

  it("that speaks another protocol in truth leaves the call unanswered, and the remedy names the protocol", async () => {
    const other = protocol === "grpc" ? "connect" : "grpc";
    expect(await receiverAt(other, protocol).send(call, options)).toMatchObject({
      state: "UNANSWERED",
      error: expect.stringMatching(/protocol of this receiver in the operator file|its protocol in the operator file/),
    });
  });

  it("is not asked for a call that its service does not have, and the remedy names the method", async () => {
    const { length } = heard;
    expect(await receiverAt(protocol, protocol).send({ ...call, rpc: "DropTheSprint" }, options)).toEqual({
      state: "UNANSWERED",
      error:
        "DropTheSprint is no call of scrum.v1.ScrumService, which has AttachIncrementEvidence, RecordItemDone, RaiseImpediment; check the method of this receiver in the operator file",
    });
    expect(heard).toHaveLength(length);
  });
});
