const dayMs = 24 * 60 * 60 * 1000;
const daysToPay = 14;

/**
 * Says until when an invoice is to be paid: two weeks, or the Monday after when that is at a weekend.
 * @param issued - `2026-03-02`
 */
export function dueDateOf(issued) {
  const due = new Date(Date.parse(issued) + daysToPay * dayMs);
  const weekday = due.getUTCDay();
  const wait = weekday === 6 ? 2 : weekday === 0 ? 1 : 0;
  return new Date(due.getTime() + wait * dayMs).toISOString().slice(0, 10);
}
