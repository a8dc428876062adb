import { expect, it } from "vitest";
import { choosePorts, defaultPorts } from "./ports.ts";

const allBut =
  (...taken: number[]) =>
  async (port: number) =>
    !taken.includes(port);

it("takes the default ports when all are free", async () => {
  expect(await choosePorts({}, allBut())).toEqual(defaultPorts);
});

it("takes the next free port, never one that another part of the stack was given", async () => {
  const ports = await choosePorts({}, allBut(8080));
  expect(ports.api).toBe(8081);
  expect(new Set(Object.values(ports)).size).toBe(Object.keys(defaultPorts).length);
});

it("prefers the port of the last start, and falls back to the default when it is taken", async () => {
  expect((await choosePorts({ kafka: 19_092 }, allBut())).kafka).toBe(19_092);
  expect((await choosePorts({ kafka: 19_092 }, allBut(19_092))).kafka).toBe(9092);
});

it("names the part that finds no port", async () => {
  await expect(choosePorts({}, async () => false)).rejects.toThrow("no port for api: 8080 to 8579 are taken");
});
