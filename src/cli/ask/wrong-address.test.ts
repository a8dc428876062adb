import { createServer as createHttpServer } from "node:http";
import type { AddressInfo, Server, Socket } from "node:net";
import { createServer } from "node:net";
import { afterEach, expect, it } from "vitest";
import { createApiClient } from "../../client/api-client.ts";
import { toCliError } from "../report-failure.ts";
import { explain } from "./call-api.ts";

const open: Server[] = [];
const sockets = new Set<Socket>();
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await Promise.all(open.splice(0).map((server) => new Promise((done) => server.close(done))));
});

async function listening(server: Server): Promise<string> {
  open.push(server.on("connection", (socket) => sockets.add(socket)));
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}
const http = (status: number, type: string, body: string) =>
  listening(createHttpServer((_, answer) => void answer.writeHead(status, { "content-type": type }).end(body)));
const tcp = (act: (socket: Socket) => void) =>
  listening(createServer((socket) => act(socket.on("error", () => undefined))));

async function said(apiUrl: string, timeoutMs = 10_000) {
  const api = createApiClient({ apiUrl, token: () => "x", tenant: "acme", org: "retail", timeoutMs });
  const error = await api.workflows.listWorkflowRuns({}).catch((thrown: unknown) => thrown);
  return toCliError(explain(error, apiUrl));
}

it.each<[string, () => Promise<string>]>([
  ["a web page", () => http(200, "text/html", "<html>")],
  ["a page that is not there", () => http(404, "text/html", "<html>")],
  ["JSON of somebody else", () => http(405, "application/json", '{"message":"Method Not Allowed"}')],
  ["JSON of another shape", () => http(200, "application/json", "[1]")],
  [
    "a process's health",
    () => http(404, "application/json", '{"error":"only /healthz, /readyz and /metrics are here"}'),
  ],
  ["another version of the api", () => http(404, "application/json", '{"code":"unimplemented","message":"no"}')],
  ["something that speaks no HTTP", () => tcp((socket) => void socket.end("220 mail\r\n"))],
  ["something that hangs up", () => tcp((socket) => void socket.once("data", () => socket.destroy()))],
])("tells that what listens there is not the api: %s", async (_, start) => {
  expect(await said(`http://${await start()}`)).toMatchObject({ exitCode: 3, code: "not_the_api" });
});

it("tells that there is no TLS", async () => {
  const error = await said(`https://${await http(200, "text/html", "")}`);
  expect(error).toMatchObject({ exitCode: 3, code: "not_the_api", fault: expect.stringContaining("say http://") });
});

it("tells that something took the connection and says nothing", async () => {
  const error = await said(`http://${await tcp(() => undefined)}`, 200);
  expect(error).toMatchObject({ exitCode: 3, fault: expect.stringContaining("said nothing in time") });
});

it("tells that nothing listens", async () => {
  expect(await said("http://127.0.0.1:9")).toMatchObject({
    exitCode: 3,
    message: expect.stringContaining("automation up"),
  });
});

it("leaves an answer of the api as it is", async () => {
  const api = await http(404, "application/json", '{"code":"not_found","message":"run x is not known"}');
  expect(await said(`http://${api}`)).toMatchObject({ exitCode: 2, code: "not_found", message: "run x is not known" });
});
