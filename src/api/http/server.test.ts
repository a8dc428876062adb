import { once } from "node:events";
import { connect as http2Connect } from "node:http2";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, it, vi } from "vitest";
import type { ApiServer } from "./server.ts";
import { serveApi } from "./server.ts";

let server: ApiServer | undefined;
afterEach(async () => {
  await server?.drain(() => undefined);
  server = undefined;
});

it("keeps a connection on which a call was answered early, while its sender stands still for a while", async () => {
  server = await serveApi({
    address: "127.0.0.1:0",
    applyCors: () => false,
    answerEvents: () => false,
    check: async () => ({}),
    handler: (_, response) => response.end("answered"),
  });
  const [host, port] = server.address.split(":");
  const socket = connect(Number(port), host);
  const head = "POST /call HTTP/1.1\r\nhost: api\r\ncontent-length: 10\r\n\r\n";
  let received = "";
  socket.on("data", (bytes) => (received += bytes));
  socket.write(`${head}01234`);
  await once(socket, "data");
  await sleep(7_000); // the standstill itself; a connection between two calls is closed after 6 s
  expect(socket.readyState).toBe("open");
  socket.write(`56789${head}0123456789`);
  await once(socket, "data");
  socket.destroy();
  expect(received.match(/answered/g)).toHaveLength(2);
});

const call = "POST /call HTTP/1.1\r\nhost: api\r\ncontent-length: 0\r\n\r\n";

/** A client with one connection that it keeps. */
async function connected(address: string) {
  const [host, port] = address.split(":");
  const socket = connect(Number(port), host);
  const closed = once(socket, "close");
  let received = "";
  socket.on("data", (bytes) => (received += bytes));
  await once(socket, "connect");
  return { socket, closed, received: () => received };
}

it("answers calls that come on open connections while it ends, and says that there are no more", async () => {
  const begun: (() => void)[] = [];
  server = await serveApi({
    address: "127.0.0.1:0",
    applyCors: () => false,
    answerEvents: () => false,
    check: async () => ({}),
    handler: (_, response) => {
      if (begun.length > 0) response.end("answered");
      else begun.push(() => response.end("answered"));
    },
  });
  const [inFlight, idle] = [await connected(server.address), await connected(server.address)];
  inFlight.socket.write(call);
  await vi.waitFor(() => expect(begun).toHaveLength(1));
  idle.socket.write(call);
  await once(idle.socket, "data");
  expect(idle.received()).not.toContain("Connection: close");
  const drained = server.drain(() => undefined);
  idle.socket.write(call);
  await idle.closed;
  expect(idle.received().match(/answered/g)).toHaveLength(2);
  expect(idle.received()).toContain("Connection: close");
  begun[0]?.();
  await inFlight.closed;
  expect(inFlight.received()).toMatch(/Connection: close.*answered/s);
  await drained;
});

it("answers a call that was sent before its HTTP/2 client heard of the end", async () => {
  server = await serveApi({
    address: "127.0.0.1:0",
    applyCors: () => false,
    answerEvents: () => false,
    check: async () => ({}),
    handler: (_, response) => response.end("answered"),
  });
  const session = http2Connect(`http://${server.address}`);
  await once(session, "connect");
  const told = once(session, "goaway");
  const drained = server.drain(() => undefined);
  const answer = session.request({ ":method": "POST", ":path": "/call" });
  expect((await answer.toArray()).join("")).toBe("answered");
  await told;
  await drained;
});

it("has calls ended that last too long, and lets their answers out", async () => {
  let end = () => {};
  server = await serveApi({
    address: "127.0.0.1:0",
    applyCors: () => false,
    answerEvents: () => false,
    check: async () => ({}),
    handler: (_, response) => {
      end = () => response.end("come again");
    },
  });
  const client = await connected(server.address);
  client.socket.write(call);
  await vi.waitFor(() => expect(String(end)).toContain("come again"));
  await server.drain(() => end());
  await client.closed;
  expect(client.received()).toContain("come again");
});
