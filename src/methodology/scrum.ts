import type { DescMessage, JsonObject, MessageShape } from "@bufbuild/protobuf";
import { fromJson, toJson } from "@bufbuild/protobuf";
import type { CallOptions, Interceptor } from "@connectrpc/connect";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import type { RefJson } from "../gen/automation/v1/ref_pb.ts";
import type {
  AttachIncrementEvidenceRequestJson,
  RaiseImpedimentRequestJson,
  RecordItemDoneRequestJson,
} from "../gen/scrum/v1/scrum_service_pb.ts";
import {
  AttachIncrementEvidenceRequestSchema,
  AttachIncrementEvidenceResponseSchema,
  RaiseImpedimentRequestSchema,
  RaiseImpedimentResponseSchema,
  RecordItemDoneRequestSchema,
  RecordItemDoneResponseSchema,
  ScrumService,
} from "../gen/scrum/v1/scrum_service_pb.ts";
import { shownText, storableJson } from "../text/strangers-text.ts";
import { cleanScrum, incrementRef } from "./context-references.ts";
import type { CallAnswer, HandoffDraft, Methodology } from "./methodology.ts";

/** Answers to us that asking again won't change, in words for a receiver that gave none. */
const refusals = new Map<Code, { readonly code: string; readonly meaning: string }>([
  [Code.FailedPrecondition, { code: "failed_precondition", meaning: "its rules say no" }],
  [Code.AlreadyExists, { code: "already_exists", meaning: "it knows this call with other content" }],
  [Code.NotFound, { code: "not_found", meaning: "it does not know what the call is about" }],
  [Code.InvalidArgument, { code: "invalid_argument", meaning: "it does not understand the call" }],
  [Code.PermissionDenied, { code: "permission_denied", meaning: "it does not let us make this call" }],
]);

/** What an operator can look at when a call has no answer. */
const remedies = new Map<Code, string>([
  [Code.Unauthenticated, "it does not take our token; check the token file of this methodology in the operator file"],
  [Code.Unimplemented, "nothing there speaks scrum.v1; check the endpoint of this methodology in the operator file"],
  [Code.Unavailable, "check that the service runs at its endpoint"],
  [Code.DeadlineExceeded, "it did not answer in time; check that the service is not overloaded"],
]);

const answerMaxBytes = 1 << 20;
const reasonMaxCharacters = 1_000;

/**
 * A Scrum service that speaks `scrum.v1` over Connect.
 * @param deps.readToken - the bearer token, read for each call so that a rotated one is picked up; when it throws, the call is unanswered
 */
export function createScrum(deps: {
  readonly endpoint: string;
  readonly readToken: () => string;
  readonly tryTimeoutMs: number;
}): Methodology {
  const withToken: Interceptor = (next) => async (request) => {
    request.header.set("authorization", `Bearer ${deps.readToken()}`);
    return next(request);
  };
  const client = createClient(
    ScrumService,
    createConnectTransport({
      baseUrl: deps.endpoint,
      httpVersion: "1.1",
      readMaxBytes: answerMaxBytes,
      interceptors: [withToken],
    }),
  );
  const methods: Record<string, Send> = {
    AttachIncrementEvidence: sending(
      AttachIncrementEvidenceRequestSchema,
      AttachIncrementEvidenceResponseSchema,
      client.attachIncrementEvidence,
      ({ product }, { incrementId }) => (incrementId === "" ? [] : [incrementRef(incrementId, product)]),
    ),
    RecordItemDone: sending(RecordItemDoneRequestSchema, RecordItemDoneResponseSchema, client.recordItemDone, () => []),
    RaiseImpediment: sending(
      RaiseImpedimentRequestSchema,
      RaiseImpedimentResponseSchema,
      client.raiseImpediment,
      (_, { impedimentId }) => (impedimentId === "" ? [] : [{ kind: "impediment", id: impedimentId }]),
    ),
  };
  return {
    tryTimeoutMs: deps.tryTimeoutMs,
    completionCalls,
    impedimentCall,
    send: async ({ method, request }, options) => {
      const send = methods[method];
      if (send === undefined)
        throw new Error(`method "${method}" is none of scrum.v1; use one of ${Object.keys(methods).join(", ")}`);
      return send(request, options).catch((error: unknown) => answerOf(method, error));
    },
  };
}

type Send = (request: JsonObject, options: CallOptions) => Promise<CallAnswer>;

function sending<I extends DescMessage, O extends DescMessage>(
  input: I,
  output: O,
  call: (request: MessageShape<I>, options: CallOptions) => Promise<MessageShape<O>>,
  returned: (request: MessageShape<I>, answer: MessageShape<O>) => RefJson[],
): Send {
  return (json, options) => {
    const request = fromJson(input, json, { ignoreUnknownFields: true });
    return call(request, options).then((answer) => ({
      state: "ACKNOWLEDGED",
      answer: storableJson(toJson(output, answer) as JsonObject),
      returned: storableJson(returned(request, answer)),
    }));
  };
}

function answerOf(method: string, error: unknown): CallAnswer {
  const { code, rawMessage } = ConnectError.from(error);
  const words = shownText(rawMessage.trim(), reasonMaxCharacters);
  const refusal = refusals.get(code);
  if (refusal !== undefined)
    return {
      state: "REFUSED",
      code: refusal.code,
      reason: words || `the Scrum service gave no reason: ${refusal.meaning}`,
    };
  const remedy = remedies.get(code) ?? "see the log of the Scrum service";
  return { state: "UNANSWERED", error: `${method} has no answer yet: ${Code[code]}: ${words}; ${remedy}` };
}

/** An increment without a name is the service's to pick; nobody can be told that no item is done. */
const completionCalls: Methodology["completionCalls"] = (context) => {
  const { product, sprint, goals, backlogItems, increment, definitionOfDone } = cleanScrum(context);
  const attach: AttachIncrementEvidenceRequestJson = { product, sprint, increment, goals };
  const done: RecordItemDoneRequestJson = { product, sprint, backlogItems, definitionOfDone };
  return [
    draft("AttachIncrementEvidence", attach),
    ...(backlogItems.length === 0 ? [] : [draft("RecordItemDone", done)]),
  ];
};

const impedimentCall: Methodology["impedimentCall"] = (context, report) => {
  const { product, sprint, backlogItems } = cleanScrum(context);
  const raise: RaiseImpedimentRequestJson = { product, sprint, backlogItems, ...report };
  return draft("RaiseImpediment", raise);
};

function draft(method: string, body: object): HandoffDraft {
  return { method, body: body as JsonObject };
}
