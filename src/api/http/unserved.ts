import type { DescMethod } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { shownText } from "../../text/strangers-text.ts";
import { methodName } from "../connect/interceptors/permission-of.ts";
import type { HttpRequest, HttpResponse } from "./answer-error.ts";
import { answerError } from "./answer-error.ts";

const grpc = /^application\/grpc(?:\+proto|\+json)?(?= *;|$)/i;
const grpcWeb = /^application\/grpc-web(?:\+proto|\+json)?(?= *;|$)/i;
const connectUnary = /^application\/(?:proto|json)(?= *;|$)/i;
const connectStream = /^application\/connect\+(?:proto|json)(?= *;|$)/i;

/**
 * Answers requests that no handler takes, in the format of each protocol: unknown methods, wrong verbs, wrong content types.
 * @returns a function that returns true when it has answered
 */
export function createAnswerUnserved(
  served: readonly DescMethod[],
): (request: HttpRequest, response: HttpResponse) => boolean {
  const methods = new Map(served.map((method) => [`/${methodName(method)}`, method]));
  return (request, response) => {
    const [path = "", query] = request.url?.split("?", 2) ?? [];
    const type = request.headers["content-type"] ?? "";
    const method = methods.get(path);
    if (method === undefined) {
      answerUnknown(
        response,
        type,
        `there is no method "${shownText(path, 200)}"; the proto files tell which there are`,
      );
      return true;
    }
    const verbs = verbsOf(method);
    if (!verbs.includes(request.method ?? "")) {
      response.setHeader("allow", verbs.join(", "));
      answerError(response, 405, "unimplemented", `${methodName(method)} is called by ${verbs.join(" or ")}`);
      return true;
    }
    const fault = request.method === "GET" ? faultOfQuery(query) : faultOfType(type, method);
    if (fault !== undefined) answerError(response, 415, "invalid_argument", fault);
    return fault !== undefined;
  };
}

function verbsOf(method: DescMethod): readonly string[] {
  const isRead = method.methodKind === "unary" && method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;
  return isRead ? ["POST", "GET"] : ["POST"];
}

function faultOfQuery(query: string | undefined): string | undefined {
  const encoding = new URLSearchParams(query).get("encoding") ?? "";
  if (encoding === "json" || encoding === "proto") return undefined;
  return `the query's encoding "${shownText(encoding, 100)}" is unknown; send encoding=json or encoding=proto beside message=`;
}

function faultOfType(type: string, method: DescMethod): string | undefined {
  const connect = method.methodKind === "unary" ? connectUnary : connectStream;
  if ([connect, grpc, grpcWeb].some((known) => known.test(type))) return undefined;
  const names =
    connect === connectUnary ? "application/json or application/proto" : "application/connect+json or +proto";
  return `content-type "${shownText(type, 100)}" is none of ${methodName(method)}; send ${names}, or those of gRPC or gRPC-web`;
}

function answerUnknown(response: HttpResponse, type: string, message: string): void {
  const [asGrpc] = grpc.exec(type) ?? [];
  const [asGrpcWeb] = grpcWeb.exec(type) ?? [];
  if (asGrpc !== undefined) answerGrpc(response, asGrpc, message);
  else if (asGrpcWeb !== undefined) answerGrpcWeb(response, asGrpcWeb, message);
  else answerError(response, 404, "unimplemented", message);
}

/** Headers only, which the gRPC protocol calls Trailers-Only. */
function answerGrpc(response: HttpResponse, type: string, message: string): void {
  response.statusCode = 200;
  response.setHeader("content-type", type);
  response.setHeader("grpc-status", String(Code.Unimplemented));
  response.setHeader("grpc-message", encodeURIComponent(message));
  response.end();
}

/** One frame of trailers as the body. */
function answerGrpcWeb(response: HttpResponse, type: string, message: string): void {
  const trailers = Buffer.from(
    `grpc-status: ${Code.Unimplemented}\r\ngrpc-message: ${encodeURIComponent(message)}\r\n`,
  );
  const head = Buffer.alloc(5);
  head.writeUInt8(0x80);
  head.writeUInt32BE(trailers.length, 1);
  response.statusCode = 200;
  response.setHeader("content-type", type);
  response.end(Buffer.concat([head, trailers]));
}
