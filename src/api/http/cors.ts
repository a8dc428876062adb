import { cors } from "@connectrpc/connect";
import { orgHeader, tenantHeader } from "../../tenancy/bind-scope.ts";
import { shownText } from "../../text/strangers-text.ts";
import { correlationHeader } from "../connect/interceptors/authorize-call.ts";
import type { HttpRequest, HttpResponse } from "./answer-error.ts";
import { answerError } from "./answer-error.ts";

const allowedHeaders = [
  ...cors.allowedHeaders,
  ...["authorization", tenantHeader, orgHeader, correlationHeader, "traceparent", "tracestate"],
];
const allowed = {
  "access-control-allow-methods": cors.allowedMethods.join(", "),
  /** Seconds; browsers keep it for two hours at most. */
  "access-control-max-age": "7200",
};
const exposed = [...cors.exposedHeaders, correlationHeader, "retry-after"].join(", ");
const anyPort = ":*";

/**
 * CORS, as in the Fetch standard: which browser pages may read answers. Pages send their token themselves, so credentials are not allowed.
 * @param origins - as browsers send them; `http://localhost:*` stands for every port
 * @returns a function that sets the headers of a response; true when the request was a preflight and has been answered
 */
export function createCors(origins: readonly string[]): (request: HttpRequest, response: HttpResponse) => boolean {
  const isAllowed = (origin: string): boolean =>
    origins.some(
      (each) => each === origin || (each.endsWith(anyPort) && each.slice(0, -anyPort.length) === portless(origin)),
    );
  return ({ method, headers }, response) => {
    const { origin } = headers;
    if (origins.length > 0) response.setHeader("vary", "origin");
    if (origin === undefined) return false;
    const isPreflight = method === "OPTIONS" && headers["access-control-request-method"] !== undefined;
    if (!isAllowed(origin)) {
      if (isPreflight) answerError(response, 403, "permission_denied", refusal(origin));
      return isPreflight;
    }
    response.setHeader("access-control-allow-origin", origin);
    response.setHeader("access-control-expose-headers", exposed);
    if (!isPreflight) return false;
    for (const [name, value] of Object.entries(allowed)) response.setHeader(name, value);
    response.setHeader("access-control-allow-headers", [...allowedHeaders, ...attributesOf(headers)].join(", "));
    response.statusCode = 204;
    response.end();
    return true;
  };
}

/** Attributes of a posted event may have any name, so those that are asked for are allowed. */
function attributesOf(headers: HttpRequest["headers"]): string[] {
  const asked = String(headers["access-control-request-headers"] ?? "").split(",");
  return asked.map((name) => name.trim().toLowerCase()).filter((name) => /^ce-[a-z0-9]{1,40}$/.test(name));
}

function portless(origin: string): string {
  return origin.replace(/:[0-9]{1,5}$/, "");
}

function refusal(origin: string): string {
  return `pages of origin "${shownText(origin, 200)}" may not call this api; the operator lists origins in api.corsOrigins`;
}
