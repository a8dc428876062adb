/** What the exit code of a command says: 1 the thing asked for failed, 2 usage or bad input, 3 not reachable or not running, 4 not permitted. 0 is success. */
export type ExitCode = 1 | 2 | 3 | 4;

/** Ends a command with one line for its reader and an exit code. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly code = "cli";
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}
