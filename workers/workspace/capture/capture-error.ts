/** No exact tree could be made of a workspace. */
export class CaptureError extends Error {
  override readonly name = "CaptureError";
  readonly code = "capture_failed";
  constructor(reason: string, options?: ErrorOptions) {
    super(`the workspace could not be captured: ${reason}`, options);
  }
}
