import { expect, it } from "vitest";
import { createReceiverRegistry } from "./receiver-registry.ts";

const flow = { method: "scrum", protocol: "connect", endpoint: "http://flow", tokenFile: "token", tryTimeoutMs: 1_000 };
const registryOf = (receivers: Parameters<typeof createReceiverRegistry>[0]) =>
  createReceiverRegistry(receivers, (name, tokenFile) => {
    if (tokenFile === "gone") throw new Error(`the token of ${name} in ${tokenFile} is not there`);
    return () => "secret";
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

it("refuses every token file that can't be used, by field and name", () => {
  expect(() => registryOf({ a: { ...flow, tokenFile: "gone" }, flow, b: { ...flow, tokenFile: "gone" } })).toThrow(
    "methodologies.a.tokenFile: the token of a in gone is not there; name a file that the api can read, with the token in it; methodologies.b.tokenFile: the token of b",
  );
});
