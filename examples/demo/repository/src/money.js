/** Amounts are whole cents, so that sums are exact. */

/** @returns so many percent of an amount, rounded to a cent */
export function percentOf(cents, percent) {
  return Math.round((cents * percent) / 100);
}

/** @returns `1,234.50 €` */
export function euros(cents) {
  const [whole, fraction] = (cents / 100).toFixed(2).split(".");
  return `${whole.replace(/\B(?=(\d{3})+$)/g, ",")}.${fraction} €`;
}
