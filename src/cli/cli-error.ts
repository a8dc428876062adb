import { plain } from "./show/output.ts";

/** What the exit code of a command says: 1 the thing asked for failed, 2 usage or bad input, 3 not reachable or not running, 4 not permitted. 0 is success. */
export type ExitCode = 1 | 2 | 3 | 4;

/** One of several faults. */
export interface Detail {
  /** Stable name of a reason that the api gave. */
  readonly code?: string;
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
  readonly field?: string;
  /** JSON, shortened. */
  readonly value?: string;
  readonly rule?: string;
  readonly remedy?: string;
}

interface CliErrorOptions extends ErrorOptions {
  /** Stable name of what went wrong; else one that follows from the exit code. */
  readonly code?: string;
  readonly remedy?: string;
  readonly details?: readonly Detail[];
}

const codes: Readonly<Record<ExitCode, string>> = {
  1: "failed",
  2: "invalid_input",
  3: "unavailable",
  4: "permission_denied",
};

/** Ends a command with an exit code, one line, and one more line per detail. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly code: string;
  readonly exitCode: ExitCode;
  /** What is wrong, without remedy and details. */
  readonly fault: string;
  readonly remedy: string | undefined;
  readonly details: readonly Detail[];

  constructor(exitCode: ExitCode, fault: string, { code, remedy, details = [], ...options }: CliErrorOptions = {}) {
    const line = remedy === undefined ? fault : `${fault}; ${remedy}`;
    super([line, ...details.map(detailText)].join("\n  "), options);
    this.exitCode = exitCode;
    this.code = code ?? codes[exitCode];
    this.fault = fault;
    this.remedy = remedy;
    this.details = details;
  }
}

/** @returns `file:line:column: code: field value: rule; remedy` */
function detailText({ file, line, column, code, field, value, rule, remedy }: Detail): string {
  const given = (parts: readonly unknown[], between: string) =>
    parts.filter((part) => part !== undefined && part !== "").join(between);
  const what = given([given([file, line, column], ":"), code, given([field, value], " "), rule], ": ");
  return plain(given([what, remedy], "; "));
}
