import { PatchError } from "./patch-change.ts";

/** The lines of a patch, one latin1 character per byte, read from first to last. The last line must end with a line break; otherwise the patch is cut off. */
export class PatchLines {
  readonly #lines: readonly string[];
  #at = 0;

  /** @throws PatchError when the last line does not end */
  constructor(text: string) {
    const lines = text.split("\n");
    if (lines.pop() !== "") throw new PatchError("it is cut off", lines.length + 1);
    this.#lines = lines;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#lines.length;
  }

  /** Number of the line that comes next, from 1. */
  get number(): number {
    return this.#at + 1;
  }

  next(): string {
    const line = this.#lines[this.#at];
    if (line === undefined) throw this.fault("it is cut off");
    this.#at += 1;
    return line;
  }

  back(): void {
    this.#at -= 1;
  }

  /** Takes the next line if it is one of these. */
  tryTake(form: RegExp): RegExpExecArray | undefined {
    const found = form.exec(this.#lines[this.#at] ?? "");
    if (found === null || this.isAtEnd) return undefined;
    this.#at += 1;
    return found;
  }

  take(form: RegExp, what: string): RegExpExecArray {
    const found = this.tryTake(form);
    if (found === undefined)
      throw this.fault(`expected ${what}, found ${JSON.stringify(this.#lines[this.#at]?.slice(0, 60) ?? "its end")}`);
    return found;
  }

  fault(fault: string): PatchError {
    return new PatchError(fault, Math.min(this.number, this.#lines.length));
  }
}
