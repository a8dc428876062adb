import { expect, it } from "vitest";
import { createReceiverRegistry } from "./receiver-registry.ts";

const flow = { method: "scrum", protocol: "connect", endpoint: "http://flow", tokenFile: "token", tryTimeoutMs: 1_000 };
const registryOf = (receivers: Parameters<typeof createReceiverRegistry>[0]) =>
  createReceiverRegistry(receivers, (tokenFile) => {
    if (tokenFile === "gone") throw Object.assign(new Error("no such file"), { code: "ENOENT" });
    return tokenFile === "empty" ? "" : "secret";
  });

it("makes the client of each receiver for the methodology that the receiver serves", () => {
  const registry = registryOf({ flow, other: { ...flow, protocol: "grpc", tryTimeoutMs: 2_000 } });
  expect(
    [...registry].map(([name, { methodology, tryTimeoutMs }]) => [name, methodology.method, tryTimeoutMs]),
  ).toEqual([
    ["flow", "scrum", 1_000],
    ["other", "scrum", 2_000],
  ]);
});

it("refuses every unknown method and protocol at once, by field, and lists those that are known", () => {
  expect(() =>
    registryOf({ flow, a: { ...flow, method: "kanban" }, b: { ...flow, protocol: "carrier-pigeon" } }),
  ).toThrow(
    'methodologies.a.method "kanban" is unknown; use one of scrum; methodologies.b.protocol "carrier-pigeon" is unknown; use one of connect, grpc',
  );
});

it("takes no name of JavaScript's own for a protocol", () => {
  expect(() => registryOf({ flow: { ...flow, protocol: "constructor" } })).toThrow('protocol "constructor" is unknown');
});

it("refuses a token file that can't be read or is empty, by field and name", () => {
  expect(() => registryOf({ a: { ...flow, tokenFile: "gone" }, b: { ...flow, tokenFile: "empty" } })).toThrow(
    'methodologies.a.tokenFile "gone" can\'t be read (ENOENT); name a file that the api can read; methodologies.b.tokenFile "empty" is empty; write the token into it',
  );
});
