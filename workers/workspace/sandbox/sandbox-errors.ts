/** The box itself could not be made or ended. What the program in it did is never the reason. */
export class SandboxError extends Error {
  override readonly name = "SandboxError";
  readonly code = "sandbox_failed";
}

/** A claim of the sandbox does not hold on this machine, so the worker takes no work. */
export class SandboxUnprovenError extends Error {
  override readonly name = "SandboxUnprovenError";
  readonly code = "sandbox_unproven";
  readonly claim: string;
  readonly detail: string;
  readonly remedy: string;

  constructor(claim: string, detail: string, remedy: string, options?: ErrorOptions) {
    super(`the sandbox claim "${claim}" does not hold on this machine: ${detail}; ${remedy}`, options);
    this.claim = claim;
    this.detail = detail;
    this.remedy = remedy;
  }
}

/** The run area can't be used as asked. */
export class RunAreaError extends Error {
  override readonly name = "RunAreaError";
  readonly code: "run_area_unusable" | "run_area_locked" | "run_area_not_removed";
  readonly path: string;

  constructor(code: RunAreaError["code"], path: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.path = path;
  }
}

/** The files for a place need more room than its limit. */
export class DiskLimitError extends Error {
  override readonly name = "DiskLimitError";
  readonly code = "disk_limit";
  readonly limitBytes: number;

  constructor(limitBytes: number) {
    super(
      `the files of the repository do not fit into a workspace of ${limitBytes} bytes; raise diskBytes of the policy's limits, or take files out`,
    );
    this.limitBytes = limitBytes;
  }
}
