/** The worker's machine lacks something that all work needs. The same work may succeed later or on another worker. */
export class HostFaultError extends Error {
  override readonly name = "HostFaultError";
  readonly code = "host_fault";
}

/** Error codes of the kernel, and the words that programs use for the same errors (`LC_ALL=C`). */
const faults: readonly { readonly codes: readonly string[]; readonly says: RegExp; readonly what: string }[] = [
  { codes: ["ENOSPC"], says: /No space left on device/, what: "a disk of this worker is full" },
  { codes: ["EDQUOT"], says: /Disk quota exceeded/, what: "a disk quota of this worker is used up" },
  { codes: ["EMFILE", "ENFILE"], says: /Too many open files/, what: "this worker has too many open files" },
  { codes: ["ENOMEM"], says: /Cannot allocate memory/, what: "this worker's memory is used up" },
  { codes: ["EAGAIN"], says: /Resource temporarily unavailable/, what: "this worker can start no more processes" },
  { codes: ["EROFS"], says: /Read-only file system/, what: "a disk of this worker can't be written to" },
  { codes: ["EIO"], says: /Input\/output error/, what: "a disk of this worker answers with errors" },
];
/** Codes of our own errors that mean a fault of the host. */
const codes: ReadonlySet<unknown> = new Set([
  "host_fault",
  "sandbox_failed",
  "run_area_unusable",
  "run_area_not_removed",
  "copy_failed",
]);

/**
 * Says what the worker's machine lacks, when that is why something failed. Looks at the error, at the last output of a program, and at their causes.
 * @returns undefined when nothing is known to be lacking
 */
export function lackOfHost(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, stderr, message, cause } = error as Error & { readonly code?: unknown; readonly stderr?: unknown };
  const fault = faults.find((each) => each.codes.some((one) => one === code) || each.says.test(String(stderr ?? "")));
  return fault === undefined ? lackOfHost(cause) : `${fault.what}: ${message}`;
}

/** Says what is wrong with the worker's machine, when that is why something failed: it lacks something, or a box, copy or folder could not be made. */
export function hostFaultOf(error: unknown): string | undefined {
  const lack = lackOfHost(error);
  if (lack !== undefined || !(error instanceof Error)) return lack;
  const { code, message, cause } = error as Error & { readonly code?: unknown };
  return codes.has(code) ? message : hostFaultOf(cause);
}
