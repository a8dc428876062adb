/** The worker's own machine lacks what every work needs; the same work may succeed later, or elsewhere. */
export class HostFaultError extends Error {
  override readonly name = "HostFaultError";
  readonly code = "host_fault";
}

/** By what the kernel answers, and by how programs of the host say the same (`LC_ALL=C`). */
const faults: readonly { readonly codes: readonly string[]; readonly says: RegExp; readonly what: string }[] = [
  { codes: ["ENOSPC"], says: /No space left on device/, what: "a disk of this worker is full" },
  { codes: ["EDQUOT"], says: /Disk quota exceeded/, what: "a disk quota of this worker is used up" },
  { codes: ["EMFILE", "ENFILE"], says: /Too many open files/, what: "this worker has too many open files" },
  { codes: ["ENOMEM"], says: /Cannot allocate memory/, what: "this worker's memory is used up" },
  { codes: ["EAGAIN"], says: /Resource temporarily unavailable/, what: "this worker can start no more processes" },
  { codes: ["EROFS"], says: /Read-only file system/, what: "a disk of this worker can't be written to" },
  { codes: ["EIO"], says: /Input\/output error/, what: "a disk of this worker answers with errors" },
];
/** Errors of ours that say the same of their own. */
const codes: ReadonlySet<unknown> = new Set([
  "host_fault",
  "sandbox_failed",
  "run_area_unusable",
  "run_area_not_removed",
  "copy_failed",
]);

/**
 * Says what the worker's own machine lacks, when that is why something failed: by the error, by what a program of the host said last, or by their causes.
 * @returns undefined when it lacks nothing that is known
 */
export function lackOfHost(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, stderr, message, cause } = error as Error & { readonly code?: unknown; readonly stderr?: unknown };
  const fault = faults.find((each) => each.codes.some((one) => one === code) || each.says.test(String(stderr ?? "")));
  return fault === undefined ? lackOfHost(cause) : `${fault.what}: ${message}`;
}

/** Says what is wrong with the worker's own machine, when that is why something failed: something that it lacks, or a box, copy or folder that could not be made. */
export function hostFaultOf(error: unknown): string | undefined {
  const lack = lackOfHost(error);
  if (lack !== undefined || !(error instanceof Error)) return lack;
  const { code, message, cause } = error as Error & { readonly code?: unknown };
  return codes.has(code) ? message : hostFaultOf(cause);
}
