import { copyFile, writeFile } from "node:fs/promises";
import { release } from "node:os";
import { join } from "node:path";
import type { SandboxReportJson } from "../../../../src/gen/automation/v1/run_work_pb.ts";
import { runProgram } from "../../host/run-program.ts";
import type { RunArea } from "../area/run-area.ts";
import type { ControlGroups } from "../limits/control-groups.ts";
import { mechanismsOf } from "../limits/mechanisms.ts";
import type { BoxLimits, Sandbox } from "../sandbox.ts";
import { SandboxUnprovenError } from "../sandbox-errors.ts";
import { limitClaims } from "./limit-claims.ts";
import { probeClaims } from "./probe-claims.ts";
import { neededPrograms, notSafe, remedyOfClaim, remedyOfMissing, remedyOfStart, thisMachine } from "./remedies.ts";
import type { RunTrial } from "./trial.ts";
import { describeTrial } from "./trial.ts";

export interface ProveDeps {
  readonly sandbox: Omit<Sandbox, "prove">;
  readonly area: RunArea;
  readonly groups: ControlGroups | undefined;
}

const mebibyte = 1_048_576;
const secret = "another run's secret";
const roomy: BoxLimits = {
  memoryBytes: 1024 * mebibyte,
  processes: 128,
  outputBytes: mebibyte,
  diskBytes: 256 * mebibyte,
  timeMs: 30_000,
  idleMs: 30_000,
};

/**
 * Tries every claim in real boxes, in slots 0 and 1, before any work is taken.
 * @throws SandboxUnprovenError with the first claim that does not hold
 */
export async function proveSandbox(deps: ProveDeps, signal: AbortSignal): Promise<SandboxReportJson> {
  const version = await provePrograms(signal);
  const { sandbox, area, groups } = deps;
  const [own, other] = await Promise.all([area.openRun(0, signal), area.openRun(1, signal)]);
  try {
    const { workspace, home } = await own.newPlace("work", roomy.diskBytes, signal);
    const scripts = await own.newHostFolder("probe");
    await copyFile(join(import.meta.dirname, "probe.mjs"), join(scripts, "probe.mjs"));
    const otherRun = join(await other.newHostFolder("ws"), "secret");
    await writeFile(otherRun, secret);
    const run: RunTrial = async (argv, limits, at = { workspace, home }) => {
      let stdout = "";
      let stderr = "";
      const end = await sandbox.run(
        {
          slot: 0,
          argv,
          cwd: "/workspace",
          env: {},
          home: at.home,
          mounts: [
            { hostPath: at.workspace, path: "/workspace", mode: "rw" },
            { hostPath: scripts, path: "/probe", mode: "ro" },
          ],
          hasChannel: false,
          limits: { ...roomy, ...limits },
          graceMs: 0,
        },
        {
          onStdout: (chunk) => {
            stdout += chunk;
          },
          onStderr: (chunk) => {
            stderr += chunk;
          },
        },
        signal,
      );
      return { end, stdout, stderr };
    };
    const start = await run(["true"], {}).catch((error: Error) => {
      signal.throwIfAborted();
      throw new SandboxUnprovenError("start", error.message, remedyOfStart(error.message, thisMachine()), {
        cause: error,
      });
    });
    if (start.end.exitCode !== 0) throw new SandboxUnprovenError("start", describeTrial(start), notSafe);
    const newPlace = (diskBytes: number) => own.newPlace("small", diskBytes, signal);
    const claims = [
      { id: "start", held: true, detail: "a box starts and ends" },
      ...(await probeClaims(run, otherRun, groups !== undefined)),
      ...(await limitClaims(run, newPlace, area.faultOfDisks === undefined)),
    ];
    for (const { id = "", held, detail = "" } of claims) {
      if (held !== true) throw new SandboxUnprovenError(id, detail, remedyOfClaim(id));
    }
    return {
      isolation: sandbox.isolation,
      claims,
      limits: mechanismsOf(groups, area.faultOfDisks),
      engine: version,
      kernel: release(),
      provedAt: new Date().toISOString(),
    };
  } finally {
    await Promise.all([own.remove(signal), other.remove(signal)]);
  }
}

async function provePrograms(signal: AbortSignal): Promise<string> {
  const answers = await Promise.all(
    neededPrograms.map(async (program) => {
      const answer = await runProgram([program, "--version"], signal).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== "ENOENT") throw error;
        throw new SandboxUnprovenError("programs", `"${program}" is not installed`, remedyOfMissing(program));
      });
      return [program, answer.stdout.trim()] as const;
    }),
  );
  return new Map(answers).get("bwrap") ?? "bubblewrap";
}
