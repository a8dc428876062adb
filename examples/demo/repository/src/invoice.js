import { percentOf } from "./money.js";

/** Who orders for this much or more pays less. */
const discount = { fromCents: 100_00, percent: 2 };
const vatPercent = 19;

/**
 * Adds up an invoice. The discount is taken off before VAT.
 * @param lines - what was ordered: `quantity`, and `unitCents` before VAT
 */
export function totalsOf(lines) {
  const net = lines.reduce((sum, { quantity, unitCents }) => sum + quantity * unitCents, 0);
  const reduction = net > discount.fromCents ? percentOf(net, discount.percent) : 0;
  const vat = percentOf(net - reduction, vatPercent);
  return { net, reduction, vat, total: net - reduction + vat };
}
