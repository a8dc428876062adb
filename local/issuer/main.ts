import { createServer } from "node:http";
import { createIssuer } from "./issuer.ts";

/** The issuer as a process. ISSUER_ADDRESS is HOST:PORT, ISSUER_DIR the folder of its key and client secret. SIGTERM ends it. */
const { ISSUER_ADDRESS: address = "", ISSUER_DIR: dir = "" } = process.env;
const [, host, port] = /^([^:\s]+):(\d{1,5})$/.exec(address) ?? [];
if (host === undefined) throw new Error(`ISSUER_ADDRESS "${address}" must be HOST:PORT, for example 127.0.0.1:8090`);
if (dir === "") throw new Error("ISSUER_DIR must name a folder");

const listener = await createIssuer({ url: `http://${address}`, dir, clock: () => Date.now() });
const server = createServer({ requestTimeout: 10_000, headersTimeout: 5_000 }, listener);
server.listen(Number(port), host);
for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.once(signal, () => {
    server.close();
    server.closeAllConnections();
  });
}
