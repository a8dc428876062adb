import { expect, it } from "vitest";
import { createPatience } from "./patience.ts";

it("is ready only after it moved, bears a pause up to the bound, and is ready again at once", () => {
  let now = 0;
  const of = createPatience(30_000, () => now);
  expect(of("not joined")).toBe("not joined");
  now = 60_000;
  expect(of("not joined")).toBe("not joined");
  expect(of(true)).toBe(true);
  now = 70_000;
  expect(of("away")).toBe(true);
  now = 99_999;
  expect(of("away")).toBe(true);
  now = 100_000;
  expect(of("still away")).toBe("it has stood still for 30 s: still away");
  expect(of(true)).toBe(true);
  now = 500_000;
  expect(of("away")).toBe(true);
});
