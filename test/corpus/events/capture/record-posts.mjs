// Keeps each request that is posted to /NAME, byte by byte as it comes, as NAME.http in a folder, and answers 202.
// The request line names /events, and the header Host, which names this port, is left out.
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";

const [folder, port] = process.argv.slice(2);
const headEnd = Buffer.from("\r\n\r\n");

function isWhole(bytes) {
  const end = bytes.indexOf(headEnd);
  if (end === -1) return false;
  const head = bytes.subarray(0, end).toString("latin1");
  const body = bytes.subarray(end + headEnd.length);
  if (/^transfer-encoding: *chunked/im.test(head)) return body.subarray(-5).toString() === "0\r\n\r\n";
  return body.length >= Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
}

function keep(bytes) {
  const end = bytes.indexOf(headEnd);
  const [line, ...headers] = bytes.subarray(0, end).toString("latin1").split("\r\n");
  const name = /^POST \/([a-z0-9-]+) /.exec(line)?.[1];
  const head = ["POST /events HTTP/1.1", ...headers.filter((header) => !/^host:/i.test(header))].join("\r\n");
  writeFileSync(join(folder, `${name}.http`), Buffer.concat([Buffer.from(head, "latin1"), bytes.subarray(end)]));
}

createServer((socket) => {
  let bytes = Buffer.alloc(0);
  socket.on("error", () => undefined);
  socket.on("data", (chunk) => {
    bytes = Buffer.concat([bytes, chunk]);
    if (!isWhole(bytes)) return;
    keep(bytes);
    socket.end("HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
  });
}).listen(Number(port), "127.0.0.1", () => process.stdout.write("ready\n"));
