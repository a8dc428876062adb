import { Code, ConnectError } from "@connectrpc/connect";
import type { Command } from "commander";
import type { ExitCode } from "./cli-error.ts";
import { CliError } from "./cli-error.ts";
import { jsonText, printError } from "./show/terminal.ts";
import { asTyped, defineNamed } from "./usage/as-typed.ts";

const exitCodes: Partial<Record<Code, ExitCode>> = {
  [Code.InvalidArgument]: 2,
  [Code.NotFound]: 2,
  [Code.OutOfRange]: 2,
  [Code.Unavailable]: 3,
  [Code.DeadlineExceeded]: 3,
  [Code.PermissionDenied]: 4,
  [Code.Unauthenticated]: 4,
};

/** Errors of the operating system in words; others are shown by their code. */
const refusals: Readonly<Record<string, readonly [exitCode: ExitCode, fault: string, remedy: string]>> = {
  ENOSPC: [1, "no space is left", "free some and start again"],
  EDQUOT: [1, "the quota of the disk is used up", "free some and start again"],
  EFBIG: [1, "the file would be longer than may be", "raise the limit (`ulimit -f`) and start again"],
  EACCES: [2, "this user may not", "name another place, or run it as a user who may"],
  EPERM: [2, "this user may not", "name another place, or run it as a user who may"],
  EROFS: [2, "the disk is read-only", "name another place"],
  ENOENT: [2, "it does not exist", "name one that does"],
  EEXIST: [2, "it is there already", "name another place"],
  ENOTDIR: [2, "a part of the path is no folder", "name another place"],
  EISDIR: [2, "it is a folder", "name a file"],
  ENAMETOOLONG: [2, "the name is too long", "name a shorter one"],
  ELOOP: [2, "its links lead in a circle", "name another place"],
  EMFILE: [1, "too many files are open", "raise the limit (`ulimit -n`) and start again"],
};

/**
 * Says on standard error why a command failed: in one line for people, and one more per detail, or as one JSON object.
 * @param at - the command that failed; the program itself when none was reached
 * @returns the exit code of the command
 */
export async function reportFailure(error: unknown, json: boolean, at: Command): Promise<ExitCode> {
  const { code, fault, remedy, details, exitCode, message } = toCliError(error);
  await defineNamed(JSON.stringify([message, details]), at);
  if (json) {
    const some = details.length === 0 ? {} : { details };
    const typed = (_: string, value: unknown) => (typeof value === "string" ? asTyped(value, at) : value);
    printError(jsonText(JSON.parse(JSON.stringify({ code, message: fault, remedy, ...some, exit: exitCode }, typed))));
  } else printError(asTyped(`automation: ${message}`, at));
  return exitCode;
}

/** @returns the error in words, without a stack */
export function toCliError(error: unknown): CliError {
  if (error instanceof CliError) return error;
  if (error instanceof ConnectError) {
    const code = Code[error.code].replaceAll(/(?<=[a-z])[A-Z]/g, "_$&").toLowerCase();
    return new CliError(exitCodes[error.code] ?? 1, error.rawMessage || code, { code, cause: error });
  }
  if (!(error instanceof Error)) return new CliError(1, String(error), { code: "internal" });
  return refusalOf(error) ?? new CliError(1, error.message.split("\n")[0] || error.name, { cause: error });
}

/** @returns the error in words, if it is one of the operating system */
function refusalOf(error: NodeJS.ErrnoException): CliError | undefined {
  const { code, syscall, path } = error;
  if (code === undefined || syscall === undefined) return undefined;
  const [exitCode, why, remedy] = refusals[code] ?? [1, code, undefined];
  return new CliError(exitCode, `${path ?? "what was asked for"}: ${syscall} fails: ${why} (${code})`, {
    code: code.toLowerCase(),
    remedy,
    cause: error,
  });
}
