import type { ChangeKindJson } from "../../../gen/automation/v1/run_work_pb.ts";

/** One file of a patch. */
export interface PatchChange {
  readonly kind: ChangeKindJson;
  /** After the change; of a deleted file, before it. Relative to the root, UTF-8. */
  readonly path: string;
  /** Set for a rename. */
  readonly previousPath?: string;
  /** git's, six octal digits; absent where the patch does not say it (deleted; renamed and otherwise the same). */
  readonly mode?: string;
  /** Before the change; absent where the patch does not say it (added; renamed and otherwise the same). */
  readonly previousMode?: string;
  /** What the patch brings in, as far as it shows it: lines that are text, by their number in the new file. */
  readonly added: readonly { readonly line: number; readonly text: string }[];
  /** Of a binary file: its new content, or the instructions that make it from the old content. */
  readonly binary?: Uint8Array;
}

export const linkMode = "120000";
export const submoduleMode = "160000";

/** A patch states that it unpacks to more than the limit; nothing of it was unpacked. */
export class PatchTooLargeError extends Error {
  override readonly name = "PatchTooLargeError";
  readonly code = "patch_too_large";
}

/** A patch contains something that the reader does not understand. */
export class PatchError extends Error {
  override readonly name = "PatchError";
  readonly code = "patch_unreadable";
  /** Line of the patch, from 1. */
  readonly line: number;
  constructor(fault: string, line: number) {
    super(`the patch can't be read: ${fault} (line ${line}); make it with \`git diff --binary --full-index -M\``);
    this.line = line;
  }
}
