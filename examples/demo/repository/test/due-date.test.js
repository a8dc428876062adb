import assert from "node:assert/strict";
import { test } from "node:test";
import { dueDateOf } from "../src/due-date.js";

test("an invoice is due after two weeks", () => {
  assert.equal(dueDateOf("2026-03-02"), "2026-03-16");
});

test("an invoice that would be due at a weekend is due on Monday", () => {
  assert.deepEqual(["2026-03-07", "2026-03-08"].map(dueDateOf), ["2026-03-23", "2026-03-23"]);
});
