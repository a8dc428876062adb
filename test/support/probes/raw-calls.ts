import { once } from "node:events";
import type { IncomingHttpHeaders } from "node:http2";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";

/** A message as gRPC, gRPC-web and Connect streams put it on the wire. */
export function envelope(message: Uint8Array | string, flags = 0): Buffer<ArrayBuffer> {
  const bytes = Buffer.from(message as string);
  const head = Buffer.alloc(5);
  head.writeUInt8(flags);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

/** What a call was told, whatever its protocol. */
export interface Told {
  /** Of HTTP. */
  readonly status: number;
  /** Connect's name of the code, or gRPC's number; empty when the call succeeded. */
  readonly code: string;
  readonly message: string;
  readonly headers: IncomingHttpHeaders;
}

/** A call whose bytes a test decides. */
export interface RawCall {
  readonly url: string;
  readonly type: string;
  readonly body: Uint8Array | string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Over HTTP/1.1, in Connect's or gRPC-web's form as the content type says. */
export async function callHttp1({ url, type, body, headers }: RawCall): Promise<Told> {
  const bytes = Buffer.from(body as string);
  const response = await fetch(url, { method: "POST", body: bytes, headers: { "content-type": type, ...headers } });
  const text = Buffer.from(await response.arrayBuffer()).toString();
  const answer = { status: response.status, headers: Object.fromEntries(response.headers) };
  if (!type.includes("grpc-web")) return { ...answer, ...connectError(text) };
  const [code = "0"] = text.match(/(?<=grpc-status: )\d+/) ?? [];
  const [message = ""] = text.match(/(?<=grpc-message: ).*/) ?? [];
  return { ...answer, code: code === "0" ? "" : code, message: decodeURIComponent(message) };
}

function connectError(text: string): Pick<Told, "code" | "message"> {
  const json = text.includes("{") ? JSON.parse(text.slice(text.indexOf("{"))) : {};
  const { code = "", message = "" } = json.error ?? json;
  return { code, message };
}

/** Over HTTP/2, in gRPC's form. */
export function callGrpc({ url, type, body, headers }: RawCall): Promise<Told> {
  const { origin, pathname } = new URL(url);
  const session = connectHttp2(origin);
  const call = session.request({
    ":method": "POST",
    ":path": pathname,
    "content-type": type,
    te: "trailers",
    ...headers,
  });
  let head: IncomingHttpHeaders & { readonly ":status"?: number } = {};
  let trailers: IncomingHttpHeaders = {};
  call.on("response", (got) => (head = got));
  call.on("trailers", (got) => (trailers = got));
  call.resume();
  call.end(body);
  return new Promise((done, fail) => {
    session.on("error", fail);
    call.on("error", fail);
    call.on("close", () => {
      session.close();
      const { "grpc-status": code, "grpc-message": message = "" } = { ...head, ...trailers };
      done({
        status: head[":status"] ?? 0,
        code: code === "0" ? "" : String(code),
        message: decodeURIComponent(String(message)),
        headers: { ...head, ...trailers },
      });
    });
  });
}

/**
 * Sends pieces one after the other. The server is of this process: after some turns of the event loop it has read what was written, so that each piece comes alone.
 * @returns what is answered until the other side closes, or `enough` of it has come
 */
export async function sendPieces(
  url: string,
  pieces: readonly (string | Buffer)[],
  enough = Number.POSITIVE_INFINITY,
): Promise<Buffer> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  let answer = Buffer.alloc(0);
  const answered = new Promise<Buffer>((done, fail) => {
    socket.on("error", fail);
    socket.on("data", (bytes) => {
      answer = Buffer.concat([answer, bytes]);
      if (answer.length >= enough) socket.destroy();
    });
    socket.on("close", () => done(answer));
  });
  await once(socket, "connect");
  for (const piece of pieces) {
    socket.write(piece);
    for (let turn = 0; turn < 10; turn += 1) await nextTurn();
  }
  return answered;
}
