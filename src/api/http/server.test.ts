import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, it } from "vitest";
import type { ApiServer } from "./server.ts";
import { serveApi } from "./server.ts";

let server: ApiServer | undefined;
afterEach(() => server?.drain());

it("keeps a connection on which a call was answered early, while its sender stands still for a while", async () => {
  server = await serveApi({
    address: "127.0.0.1:0",
    applyCors: () => false,
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
