import assert from "node:assert/strict";
import { test } from "node:test";
import { totalsOf } from "../src/invoice.js";

test("an invoice adds VAT to what was ordered", () => {
  const totals = totalsOf([
    { quantity: 2, unitCents: 12_50 },
    { quantity: 1, unitCents: 5_00 },
  ]);
  assert.deepEqual(totals, { net: 30_00, reduction: 0, vat: 5_70, total: 35_70 });
});

test("an order of 100 € gets the discount", () => {
  assert.equal(totalsOf([{ quantity: 4, unitCents: 25_00 }]).reduction, 2_00);
});

test("an order one cent short of 100 € gets no discount", () => {
  assert.equal(totalsOf([{ quantity: 1, unitCents: 99_99 }]).reduction, 0);
});

test("the discount is taken off before VAT", () => {
  const totals = totalsOf([{ quantity: 1, unitCents: 200_00 }]);
  assert.deepEqual(totals, { net: 200_00, reduction: 4_00, vat: 37_24, total: 233_24 });
});
