import { Code, ConnectError } from "@connectrpc/connect";
import type { ExitCode } from "./cli-error.ts";
import { CliError } from "./cli-error.ts";
import { printError } from "./terminal.ts";

const exitCodes: Partial<Record<Code, ExitCode>> = {
  [Code.InvalidArgument]: 2,
  [Code.NotFound]: 2,
  [Code.OutOfRange]: 2,
  [Code.Unavailable]: 3,
  [Code.DeadlineExceeded]: 3,
  [Code.PermissionDenied]: 4,
  [Code.Unauthenticated]: 4,
};

/** Says in one line on standard error why a command failed, and answers its exit code. */
export function reportFailure(error: unknown): ExitCode {
  if (error instanceof ConnectError) {
    printError(`automation: ${error.rawMessage} (${Code[error.code]})`);
    return exitCodes[error.code] ?? 1;
  }
  printError(`automation: ${error instanceof Error ? error.message : String(error)}`);
  return error instanceof CliError ? error.exitCode : 1;
}
