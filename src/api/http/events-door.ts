import type { IncomingMessage } from "node:http";
import { codeToHttpStatus, codeToString } from "@connectrpc/connect/protocol-connect";
import { Permission } from "../../gen/automation/v1/method_options_pb.ts";
import { WorkflowService } from "../../gen/workflows_runtime/v1/workflow_service_pb.ts";
import type { AcceptEvents, EventAnswer } from "../../requests/accept-events.ts";
import type { Header } from "../../runs/outbox/bus-record.ts";
import type { Authenticator } from "../../tenancy/authenticate.ts";
import { bindScope } from "../../tenancy/bind-scope.ts";
import { assertMay } from "../../tenancy/permissions.ts";
import type { RecordAudit } from "../../tenancy/record-audit.ts";
import type { Principal } from "../../tenancy/request-context.ts";
import { outcomeOf } from "../connect/interceptors/audit.ts";
import { correlationHeader } from "../connect/interceptors/authorize-call.ts";
import { createToConnectError } from "../connect/interceptors/errors.ts";
import type { HttpResponse } from "./answer-error.ts";
import { answerError } from "./answer-error.ts";

/** Where events are posted. */
const path = "/events";
const action = `POST ${path}`;
/** Of a single event or a batch. */
const bodyLimitBytes = 1024 * 1024;

/** Of a request, HTTP/1.1 or HTTP/2. */
type Posted = Pick<IncomingMessage, "method" | "url" | "headers" | "rawHeaders"> & AsyncIterable<Uint8Array>;

/** The body is larger than it may be. */
class LargeBodyError extends Error {
  override readonly name = "LargeBodyError";
  readonly code = "too_large";
}

/**
 * CloudEvents over HTTP (HTTP protocol binding 1.0): binary, structured and batched. Order of a call: authn → tenant → authz → body → accept → audit.
 * @returns a function that returns true when the request is for this door; it is answered later
 */
export function createEventsDoor(deps: {
  readonly authenticate: Authenticator["authenticate"];
  readonly recordAudit: RecordAudit;
  readonly acceptEvents: AcceptEvents;
  readonly onInternal: Parameters<typeof createToConnectError>[0]["onInternal"];
  readonly newId: () => string;
}): (request: Posted, response: HttpResponse) => boolean {
  const toConnectError = createToConnectError(deps);
  return (request, response) => {
    if (request.url?.split("?", 1)[0] !== path) return false;
    const sent = request.headers[correlationHeader];
    const correlationId = typeof sent === "string" && /^[A-Za-z0-9._:-]{1,128}$/.test(sent) ? sent : deps.newId();
    response.setHeader(correlationHeader, correlationId);
    answer(deps, { request, response, correlationId }).catch((error: unknown) => {
      if (error instanceof LargeBodyError) return answerError(response, 413, error.code, error.message);
      const { code, rawMessage, metadata } = toConnectError(error, {
        correlationId,
        method: WorkflowService.method.startWorkflowRun,
      });
      const pause = metadata.get("retry-after");
      if (pause !== null) response.setHeader("retry-after", pause);
      answerError(response, codeToHttpStatus(code), codeToString(code), rawMessage);
    });
    return true;
  };
}

async function answer(
  deps: Parameters<typeof createEventsDoor>[0],
  call: { readonly request: Posted; readonly response: HttpResponse; readonly correlationId: string },
): Promise<void> {
  const { request, response, correlationId } = call;
  if (request.method !== "POST") {
    response.setHeader("allow", "POST");
    return answerError(response, 405, "unimplemented", `${path} is called by POST`);
  }
  const identity = await deps.authenticate(request.headers.authorization ?? null);
  const principal = bindScope(identity, (name) => [request.headers[name] ?? null].flat()[0] ?? null);
  const audit = (outcome: string) => deps.recordAudit(auditOf(principal, outcome, correlationId));
  let answers: Awaited<ReturnType<AcceptEvents>>;
  try {
    assertMay(principal, Permission.OPERATE, action);
    const encoding = request.headers["content-encoding"] ?? "identity";
    if (encoding !== "identity")
      return answerError(response, 415, "unsupported_encoding", "send the body as it is, without content-encoding");
    const body = await readBody(request);
    const trace = { traceparent: oneOf(request, "traceparent"), tracestate: oneOf(request, "tracestate") };
    answers = await deps.acceptEvents({ headers: kafkaHeaders(request.rawHeaders), body, trace }, principal);
  } catch (error) {
    await audit(outcomeOf(error));
    throw error;
  }
  await audit("ok");
  response.statusCode = isOne(answers) ? statusOf(answers) : 200;
  response.setHeader("content-type", "application/json");
  response.end(`${JSON.stringify(isOne(answers) ? answers : { events: answers })}\n`);
}

/** @returns undefined when the header is not there */
const oneOf = ({ headers }: Posted, name: string): string | undefined => [headers[name] ?? []].flat()[0];

const isOne = (answers: EventAnswer | readonly EventAnswer[]): answers is EventAnswer => !Array.isArray(answers);

const auditOf = ({ tenant, org, subject }: Principal, outcome: string, correlationId: string) => ({
  tenant,
  org,
  principal: subject,
  action,
  outcome,
  correlationId,
});

/** Of a single event. */
function statusOf({ disposition, reasons }: EventAnswer): number {
  const code = reasons[0]?.code ?? "";
  switch (disposition) {
    case "accepted":
      return 202;
    case "duplicate":
    case "filtered":
      return 200;
    case "conflict":
      return 409;
    case "rejected":
      return 422;
    case "refused":
      return { too_large: 413, unsupported_content_type: 415, foreign_tenant: 403, foreign_org: 403 }[code] ?? 400;
  }
}

async function readBody(request: Posted): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of request) {
    sizeBytes += chunk.length;
    if (sizeBytes > bodyLimitBytes)
      throw new LargeBodyError(`the body must have at most ${bodyLimitBytes} bytes; send fewer events at once`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/**
 * The same event as the Kafka binding has it: `ce-` headers as `ce_` headers. Their values are unquoted and percent-decoded once (HTTP protocol binding 1.0, section 3.1.3.2).
 * @param raw - names and values in turn, each byte as one character
 */
export function kafkaHeaders(raw: readonly string[]): Header[] {
  const named = raw.flatMap((name, at) => (at % 2 === 0 ? [[name.toLowerCase(), raw[at + 1] ?? ""] as const] : []));
  return named.flatMap(([name, value]): Header[] => {
    if (name === "content-type") return [[name, Buffer.from(value, "latin1")]];
    if (!name.startsWith("ce-")) return [];
    const unquoted = /^".*"$/.test(value) ? value.slice(1, -1).replaceAll(/\\(.)/g, "$1") : value;
    const bytes = unquoted.replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    );
    return [[`ce_${name.slice("ce-".length)}`, Buffer.from(bytes, "latin1")]];
  });
}
