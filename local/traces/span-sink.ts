import { appendFileSync, existsSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { createServer } from "node:http";
import { join } from "node:path";
import type { Span } from "./otlp-json.ts";
import { spansOf } from "./otlp-json.ts";

const mostTraces = 500;
const requestBytes = 8 * 1024 ** 2;
const traceBytes = 4 * 1024 ** 2;

/**
 * Takes spans as OTLP in JSON over HTTP, and keeps those of about the 500 newest traces: a file for each, a span a line.
 * @param folder - made when it is missing
 * @throws Error when the port is taken
 */
export async function startSpanSink(host: string, port: number, folder: string): Promise<{ close(): Promise<void> }> {
  mkdirSync(folder, { recursive: true });
  const server = createServer((request, response) => {
    keep(request, folder).then(
      () => response.writeHead(200, { "content-type": "application/json" }).end("{}"),
      () => response.writeHead(400).end(),
    );
  });
  await new Promise<void>((done, fail) => {
    server.once("error", fail);
    server.listen(port, host, done);
  });
  return {
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

async function keep(request: IncomingMessage, folder: string): Promise<void> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > requestBytes) throw new Error("too many spans at once");
    chunks.push(chunk);
  }
  const spans = spansOf(JSON.parse(Buffer.concat(chunks).toString("utf8")));
  for (const [traceId, own] of Map.groupBy(spans, (span) => span.traceId)) append(folder, traceId, own);
}

function append(folder: string, traceId: string, spans: readonly Span[]): void {
  const file = join(folder, `${traceId}.jsonl`);
  if (!existsSync(file)) makeRoom(folder);
  else if (statSync(file).size > traceBytes) return;
  appendFileSync(file, spans.map((span) => `${JSON.stringify(span)}\n`).join(""));
}

function makeRoom(folder: string): void {
  const files = readdirSync(folder).map((name) => join(folder, name));
  if (files.length < mostTraces) return;
  const byAge = files.map((file) => ({ file, at: statSync(file).mtimeMs })).toSorted((a, b) => a.at - b.at);
  for (const { file } of byAge.slice(0, mostTraces / 10)) rmSync(file, { force: true });
}
