/** Where something stands in the source of an expression; both count from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** @param offset - in characters of the source */
export function placeOf(source: string, offset: number): Place {
  const before = source.slice(0, offset).split("\n");
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}

/** An expression can't be used as it stands. */
export class ExpressionFaultError extends Error {
  override readonly name = "ExpressionFaultError";
  readonly code = "invalid_expression";
  readonly place: Place;
  /** @param rule - what is wrong there, and what to do about it */
  constructor(source: string, place: Place, rule: string) {
    const { line, column } = place;
    const excerpt = (source.split("\n")[line - 1] ?? "").slice(column - 1, column + 39);
    super(`at line ${line}, column ${column}, before "${excerpt}": ${rule}`);
    this.place = place;
  }
}
