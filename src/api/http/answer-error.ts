import type { IncomingHttpHeaders } from "node:http";

/** The part of a request that is used, of HTTP/1.1 or HTTP/2. */
export interface HttpRequest {
  readonly method?: string;
  readonly url?: string;
  readonly headers: IncomingHttpHeaders;
}

/** The part of a response that is used. */
export interface HttpResponse {
  statusCode: number;
  setHeader(name: string, value: string): unknown;
  end(body?: string | Uint8Array): unknown;
}

/** Answers with an error in Connect's format: an HTTP status and JSON. */
export function answerError(response: HttpResponse, status: number, code: string, message: string): void {
  response.statusCode = status;
  response.setHeader("content-type", "application/json");
  response.end(`${JSON.stringify({ code, message })}\n`);
}
