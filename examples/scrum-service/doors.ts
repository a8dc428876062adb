import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { createContextValues } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { ScrumService } from "../../src/gen/scrum/v1/scrum_service_pb.ts";
import { BadInputError, parseBody } from "./bad-input.ts";
import type { Behaviours } from "./behaviour.ts";
import { behaviourRemedy, behaviourSchema } from "./behaviour.ts";
import { readBoard } from "./board.ts";
import type { Published, RunRequest } from "./request-run.ts";
import { BusAwayError, runRequestRemedy, runRequestSchema } from "./request-run.ts";
import type { ServiceDeps } from "./service.ts";
import { createScrumService, cutKey } from "./service.ts";

export interface DoorsDeps extends ServiceDeps {
  readonly behaviours: Behaviours;
  readonly requestRun: (request: RunRequest) => Promise<Published>;
  readonly readToken: () => string;
  readonly onError: (error: unknown) => void;
}

interface Reply {
  readonly status: number;
  readonly body: object;
}

type Door = (request: IncomingMessage) => Reply | Promise<Reply>;

const bodyMaxBytes = 64 * 1024;
const callMaxBytes = 1 << 20;
const openDoors = new Set(["/healthz", "/readyz"]);

/** All that is served on the port: `scrum.v1` over Connect, and JSON doors beside it. Errors have Connect's JSON form, `{code, message}`, everywhere. */
export function createDoors(deps: DoorsDeps): RequestListener {
  const connect = connectNodeAdapter({
    routes: (router) => void router.service(ScrumService, createScrumService(deps)),
    readMaxBytes: callMaxBytes,
    contextValues: (request) => createContextValues().set(cutKey, () => void request.socket.destroy()),
  });
  const doors = jsonDoors(deps);
  return (request, response) => {
    const path = (request.url ?? "/").split("?")[0] ?? "";
    if (!openDoors.has(path) && !isAuthorized(deps, request))
      return send(
        response,
        problem(401, "unauthenticated", "present this service's token as `authorization: Bearer …`"),
      );
    if (path.startsWith(`/${ScrumService.typeName}/`)) return connect(request, response);
    const methods = doors[path];
    if (methods === undefined)
      return send(
        response,
        problem(404, "unimplemented", `no door ${path}; there are ${Object.keys(doors).join(", ")}`),
      );
    const door = methods[request.method ?? ""];
    if (door === undefined)
      return send(response, problem(405, "unimplemented", `${path} takes ${Object.keys(methods).join(", ")}`));
    Promise.resolve(request)
      .then(door)
      .catch((error: unknown) => replyTo(error, deps.onError))
      .then((reply) => send(response, reply))
      .catch(deps.onError);
  };
}

function jsonDoors(deps: DoorsDeps): Readonly<Record<string, Readonly<Record<string, Door>>>> {
  const { ledger, behaviours, requestRun, now } = deps;
  const told = () => ok({ behaviours: behaviours.list() });
  return {
    "/healthz": { GET: () => ok({ alive: true }) },
    "/readyz": { GET: () => ok({ ledger: ledger.find("", "") === undefined }) },
    "/board": { GET: () => ok(readBoard(ledger, now())) },
    "/request-run": {
      POST: async (request) =>
        ok(await requestRun(parseBody(runRequestSchema, await readJson(request), runRequestRemedy))),
    },
    "/behaviour": {
      GET: told,
      POST: async (request) => {
        behaviours.tell(parseBody(behaviourSchema, await readJson(request), behaviourRemedy));
        return told();
      },
      DELETE: () => {
        behaviours.clear();
        return told();
      },
    },
  };
}

/** Compares digests, so that the time does not reveal length or content of the token. An empty token authorizes nobody. */
function isAuthorized({ readToken, onError }: DoorsDeps, { headers }: IncomingMessage): boolean {
  try {
    const token = readToken();
    const presented = /^Bearer (.+)$/.exec(headers.authorization ?? "")?.[1] ?? "";
    return timingSafeEqual(sha256(presented), sha256(token)) && token !== "";
  } catch (error) {
    onError(error);
    return false;
  }
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes <= bodyMaxBytes) chunks.push(chunk);
  }
  const fault = (value: unknown, rule: string) =>
    new BadInputError({ field: "body", value, rule, remedy: "send one JSON object" });
  if (sizeBytes > bodyMaxBytes) throw fault(`${sizeBytes} bytes`, `must have at most ${bodyMaxBytes} bytes`);
  const text = Buffer.concat(chunks).toString();
  try {
    return JSON.parse(text);
  } catch {
    throw fault(text, "must be JSON");
  }
}

function replyTo(error: unknown, onError: (error: unknown) => void): Reply {
  if (error instanceof BadInputError) {
    const { field, value = null, rule, remedy } = error;
    return { status: 400, body: { code: error.code, message: error.message, field, value, rule, remedy } };
  }
  if (error instanceof BusAwayError)
    return { status: 503, body: { code: error.code, message: error.message, eventId: error.eventId } };
  onError(error);
  return problem(500, "internal", "internal error; see the log of the Scrum service");
}

function ok(body: object): Reply {
  return { status: 200, body };
}

function problem(status: number, code: string, message: string): Reply {
  return { status, body: { code, message } };
}

function send(response: ServerResponse, { status, body }: Reply): void {
  response.writeHead(status, { "content-type": "application/json" }).end(`${JSON.stringify(body)}\n`);
}
