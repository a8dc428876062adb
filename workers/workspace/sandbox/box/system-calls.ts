import { arch } from "node:os";
import { SandboxUnprovenError } from "../sandbox-errors.ts";

/** Numbers of one call: x86-64, arm64 (Linux `asm/unistd_64.h`, `asm-generic/unistd.h`). */
export type CallNumbers = readonly [x64: number, arm64: number];

/** An architecture whose calls are known: its audit number (`linux/audit.h`), and the index of its number in `CallNumbers`. */
export interface Architecture {
  readonly audit: number;
  readonly column: 0 | 1;
}

const architectures: Record<string, Architecture> = {
  x64: { audit: 0xc000003e, column: 0 },
  arm64: { audit: 0xc00000b7, column: 1 },
};

/** @throws SandboxUnprovenError on another architecture: without its numbers there is no filter, so there are no boxes */
export function architectureOf(name: string = arch()): Architecture {
  const known = architectures[name];
  if (known !== undefined) return known;
  throw new SandboxUnprovenError(
    "system_calls",
    `the calls of "${name}" are not known`,
    "run the worker on x64 or arm64",
  );
}
