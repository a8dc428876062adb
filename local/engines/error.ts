/**
 * An engine cannot be had or cannot run on this machine. The message is one line: what failed, why, and the remedy.
 * `code` is one of: missing_program, wrong_version, unwritable_cache, disk_full, offline, build_failed, interrupted, start_failed, unsupported_platform.
 */
export class EngineError extends Error {
  override readonly name = "EngineError";
  readonly code: string;
  readonly engine: string;

  constructor(engine: string, code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.engine = engine;
    this.code = code;
  }
}
