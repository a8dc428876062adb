import type { ProgramResult } from "../../../local/engines/run-program.ts";
import { runProgram } from "../../../local/engines/run-program.ts";

/** As a pod that the policy `restricted` admits: nothing of the file system can be written, and nothing gained. */
export const restricted: readonly string[] = [
  ...["--read-only", "--read-only-tmpfs=false"],
  ...["--cap-drop=ALL", "--security-opt=no-new-privileges"],
];

/**
 * The command line of a container on the host's network that is removed when it ends. Signals to this command reach the program.
 * @param env - passed by name: the command itself must be started with it
 */
export function containerArgv(options: {
  readonly image: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly flags: readonly string[];
}): string[] {
  const { image, args, env = {}, flags } = options;
  return [
    ...["podman", "--runtime", "runc", "run", "--rm", "--pull=never", "--network=host"],
    ...["--ulimit=nofile=1024:1024", "--ulimit=nproc=1000:1000"], // more than some hosts may give
    ...Object.keys(env).map((name) => `--env=${name}`),
    ...flags,
    image,
    ...args,
  ];
}

/** Runs a command line in a restricted container to its end. @param entrypoint - in place of the program */
export async function inContainer(
  image: string,
  args: readonly string[],
  { entrypoint, input, flags = [] }: { entrypoint?: string; input?: string; flags?: readonly string[] } = {},
): Promise<ProgramResult> {
  const entry = entrypoint === undefined ? [] : [`--entrypoint=${entrypoint}`];
  const argv = containerArgv({ image, args, flags: [...restricted, ...entry, "--interactive", ...flags] });
  return await runProgram(argv, { input, limitMs: 120_000, signal: new AbortController().signal });
}
