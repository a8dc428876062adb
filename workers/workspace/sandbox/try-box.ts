import type { RunArea } from "./area/run-area.ts";
import type { Sandbox } from "./sandbox.ts";

const mebibyte = 1024 ** 2;

/** Starts one small box beside those that run. @param slot - one that no work has @throws the reason why it can't start */
export async function tryBox(
  { sandbox, area }: { readonly sandbox: Sandbox; readonly area: RunArea },
  slot: number,
  signal: AbortSignal,
): Promise<void> {
  const folder = await area.openRun(slot, signal);
  try {
    const home = await folder.newFolder("home");
    await sandbox.run(
      {
        slot,
        argv: ["true"],
        cwd: "/",
        env: {},
        mounts: [],
        home,
        hasChannel: false,
        graceMs: 0,
        limits: {
          memoryBytes: 256 * mebibyte,
          processes: 32,
          outputBytes: mebibyte,
          diskBytes: mebibyte,
          timeMs: 20_000,
          idleMs: 20_000,
        },
      },
      { onStdout: () => undefined, onStderr: () => undefined },
      signal,
    );
  } finally {
    await folder.remove(signal);
  }
}
