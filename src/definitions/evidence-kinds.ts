/** What evidence of a kind can state; the first is what a requirement asks for when it names no outcome. */
export const outcomesOfKind: ReadonlyMap<string, readonly string[]> = new Map([
  ["agent-run", ["COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"]],
  ["test-result", ["PASSED", "FAILED"]],
  ["diff", ["CAPTURED", "UNCHANGED", "PARTIAL"]],
  ["document", ["KEPT"]],
]);
