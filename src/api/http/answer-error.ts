import type { IncomingHttpHeaders } from "node:http";

/** What is asked of a request, of HTTP/1.1 or HTTP/2. */
export interface HttpRequest {
  readonly method?: string;
  readonly url?: string;
  readonly headers: IncomingHttpHeaders;
}

/** What is asked of its answer. */
export interface HttpResponse {
  statusCode: number;
  setHeader(name: string, value: string): unknown;
  end(body?: string | Uint8Array): unknown;
}

/** Answers with an error in Connect's form, which is JSON and HTTP at once. */
export function answerError(response: HttpResponse, status: number, code: string, message: string): void {
  response.statusCode = status;
  response.setHeader("content-type", "application/json");
  response.end(`${JSON.stringify({ code, message })}\n`);
}
