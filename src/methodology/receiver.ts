import type { DescMethodUnary, DescService, JsonObject } from "@bufbuild/protobuf";
import { fromJson, toJson } from "@bufbuild/protobuf";
import type { Interceptor, Transport } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { HandoffMetaSchema } from "../gen/automation/v1/handoff_pb.ts";
import { shownText, storableJson } from "../text/strangers-text.ts";
import type { CallAnswer, HandoffCall, Methodology, Receiver } from "./methodology.ts";

/** Answers that asking again won't change, in words for a receiver that gave none. */
const refusals = new Map<Code, { readonly code: string; readonly meaning: string }>([
  [Code.FailedPrecondition, { code: "failed_precondition", meaning: "its rules say no" }],
  [Code.AlreadyExists, { code: "already_exists", meaning: "it knows this call with other content" }],
  [Code.NotFound, { code: "not_found", meaning: "it does not know what the call is about" }],
  [Code.InvalidArgument, { code: "invalid_argument", meaning: "it does not understand the call" }],
  [Code.PermissionDenied, { code: "permission_denied", meaning: "it does not let us make this call" }],
]);

/** What an operator can check when a call has no answer. */
const remedies = new Map<Code, string>([
  [Code.Unauthenticated, "it does not take our token; check the token file of this receiver in the operator file"],
  [
    Code.Unimplemented,
    "nothing there serves this call; check the endpoint, method and protocol of this receiver in the operator file",
  ],
  [
    Code.Unavailable,
    "check that the service runs at its endpoint, and the protocol of this receiver in the operator file",
  ],
  [Code.DeadlineExceeded, "it did not answer in time; check that the service is not overloaded"],
]);

const answerMaxBytes = 1 << 20;
const reasonMaxCharacters = 1_000;

interface TransportOptions {
  readonly baseUrl: string;
  readonly readMaxBytes: number;
  readonly interceptors: Interceptor[];
}

/** The protocols that receivers may speak: Connect over HTTP/1.1, gRPC over HTTP/2. */
export const protocols = {
  connect: (options: TransportOptions): Transport => createConnectTransport({ ...options, httpVersion: "1.1" }),
  grpc: (options: TransportOptions): Transport => createGrpcTransport(options),
};

/**
 * Makes the client of a methodology's service.
 * @param deps.readToken - the bearer token, read for each call so that a rotated one is picked up; when it throws, the call is unanswered
 */
export function createReceiver(deps: {
  readonly methodology: Methodology;
  readonly protocol: keyof typeof protocols;
  readonly endpoint: string;
  readonly readToken: () => string;
  readonly tryTimeoutMs: number;
}): Receiver {
  const { methodology, tryTimeoutMs } = deps;
  const withToken: Interceptor = (next) => async (request) => {
    request.header.set("authorization", `Bearer ${deps.readToken()}`);
    return next(request);
  };
  const transport = protocols[deps.protocol]({
    baseUrl: deps.endpoint,
    readMaxBytes: answerMaxBytes,
    interceptors: [withToken],
  });
  return {
    methodology,
    tryTimeoutMs,
    async send(call, { timeoutMs, signal }) {
      const rpc = rpcOf(methodology.service, call.rpc);
      if (rpc === undefined) return { state: "UNANSWERED", error: unknownRpc(call, methodology) };
      const json = { ...call.payload, [metaFieldOf(rpc)]: { ...call.meta, phase: `HANDOFF_PHASE_${call.phase}` } };
      const request = fromJson(rpc.input, json as JsonObject, { ignoreUnknownFields: true });
      return transport.unary(rpc, signal, timeoutMs, undefined, request).then(
        ({ message }) => {
          const answer = storableJson(toJson(rpc.output, message) as JsonObject);
          return { state: "ACKNOWLEDGED", answer, returned: methodology.returned(call, answer) };
        },
        (error: unknown) => answerOf(call, error),
      );
    },
  };
}

function rpcOf(service: DescService, name: string): DescMethodUnary | undefined {
  return service.methods.find((rpc): rpc is DescMethodUnary => rpc.methodKind === "unary" && rpc.name === name);
}

/** @returns JSON name of the field that HandoffMeta goes in */
function metaFieldOf({ input }: DescMethodUnary): string {
  const field = input.fields.find(({ message }) => message?.typeName === HandoffMetaSchema.typeName);
  if (field === undefined) throw new Error(`${input.typeName} has no field of type ${HandoffMetaSchema.typeName}`);
  return field.jsonName;
}

function unknownRpc({ rpc }: HandoffCall, { service }: Methodology): string {
  const known = service.methods.map(({ name }) => name).join(", ");
  return `${rpc} is no call of ${service.typeName}, which has ${known}; check the method of this receiver in the operator file`;
}

function answerOf({ rpc }: HandoffCall, error: unknown): CallAnswer {
  const { code, rawMessage } = ConnectError.from(error);
  const words = shownText(rawMessage.trim(), reasonMaxCharacters);
  const refusal = refusals.get(code);
  if (refusal !== undefined)
    return {
      state: "REFUSED",
      code: refusal.code,
      reason: words || `the receiver gave no reason: ${refusal.meaning}`,
    };
  const remedy = remedies.get(code) ?? "see the log of the receiver, and check its protocol in the operator file";
  return { state: "UNANSWERED", error: `${rpc} has no answer yet: ${Code[code]}: ${words}; ${remedy}` };
}
