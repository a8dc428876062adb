import { expect, it } from "vitest";
import type { LeaveGate } from "./receiver-gate.ts";
import { createReceiverGate } from "./receiver-gate.ts";

const signal = new AbortController().signal;

function aGate() {
  const clock = { ms: 0 };
  const gate = createReceiverGate({ now: () => new Date(clock.ms), random: () => 1 });
  const enter = async (): Promise<LeaveGate> => {
    const leave = await gate.enter(signal);
    if (leave === undefined) throw new Error("turned away");
    return leave;
  };
  const call = async (answered: boolean | undefined) => (await enter())(answered);
  return { clock, gate, enter, call };
}

it("shuts after three silences in a row, and lets one call through after each pause, which doubles up to 10 s", async () => {
  const { clock, gate, enter, call } = aGate();
  for (const answered of [false, false, true, false, false]) await call(answered);
  expect(gate.room()).toBeGreaterThan(0);
  await call(false);
  for (const pauseMs of [500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]) {
    expect(await gate.enter(signal)).toBeUndefined();
    clock.ms += pauseMs - 1;
    expect(gate.room()).toBe(0);
    clock.ms += 1;
    const probe = await enter();
    expect(await gate.enter(signal)).toBeUndefined();
    probe(false);
  }
});

it("is open again after one answer, and has its full width after as many as that", async () => {
  const { clock, gate, call } = aGate();
  for (let i = 0; i < 3; i += 1) await call(false);
  clock.ms += 500;
  const widths: number[] = [];
  for (let i = 0; i < 90; i += 1) {
    await call(true);
    widths.push(gate.room());
  }
  expect(widths.slice(0, 7)).toEqual([2, 3, 4, 5, 6, 7, 8]);
  expect(Math.max(...widths)).toBe(widths.at(-1));
  expect(widths.at(-1)).toBe(15);
});

it("halves the window with a silence, and lets those that wait in as others leave, in their order", async () => {
  const { gate, enter, call } = aGate();
  const inside = await Promise.all([1, 2, 3, 4].map(enter));
  const order: number[] = [];
  const waiting = [1, 2].map(async (each) => {
    const leave = await enter();
    order.push(each);
    leave(true);
  });
  for (const leave of inside) leave(true);
  await Promise.all(waiting);
  expect(order).toEqual([1, 2]);
  const width = gate.room();
  await call(false);
  expect(gate.room()).toBe(Math.floor(width / 2));
});

it("turns those that wait away when it shuts, and what was in flight then says nothing", async () => {
  const { clock, gate, enter } = aGate();
  const inside = await Promise.all([1, 2, 3, 4].map(enter));
  const waiting = gate.enter(signal);
  for (const leave of inside.slice(0, 3)) leave(false);
  expect(await waiting).toBeUndefined();
  inside[3]?.(true);
  expect(gate.room()).toBe(0);
  clock.ms += 500;
  expect(gate.room()).toBe(1);
});

it("learns nothing from a call that was given up", async () => {
  const { gate, call } = aGate();
  const width = gate.room();
  for (let i = 0; i < 5; i += 1) await call(undefined);
  expect(gate.room()).toBe(width);
});
