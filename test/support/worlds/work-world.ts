import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fromJson } from "@bufbuild/protobuf";
import { sha256Hex } from "../../../src/artifacts/blobs.ts";
import { compilePolicy } from "../../../src/definitions/policy/policy-layers.ts";
import { PersonaManifestSchema } from "../../../src/gen/agents/v1/agents_service_pb.ts";
import type { StepJson } from "../../../src/gen/automation/v1/automation_plan_pb.ts";
import type { LimitsJson, PolicyJson } from "../../../src/gen/automation/v1/policy_pb.ts";
import type { RunPinsJson, StepReportJson, WorkReportJson } from "../../../src/gen/automation/v1/run_work_pb.ts";
import type { VerdictJson } from "../../../src/gen/automation/v1/verdict_pb.ts";
import type { FoundTestsJson, WorkFindingsJson } from "../../../src/gen/automation/v1/work_findings_pb.ts";
import type { RequirementJson } from "../../../src/gen/governance/v1/profile_pb.ts";
import { encodeTar } from "../../../src/personas/canonical-tar.ts";
import { readBundleFolder } from "../../../src/personas/read-bundle-folder.ts";
import { judgeEvidence } from "../../../src/proof/gates/judge-evidence.ts";
import { examineWork } from "../../../src/work/examine/examine-work.ts";
import { assertReport } from "../../../src/work/work-report-rules.ts";
import type { KeptFile } from "../../../workers/workspace/activities/kept-files.ts";
import { createPersonaAtWork } from "../../../workers/workspace/activities/persona-at-work.ts";
import { createRunTests } from "../../../workers/workspace/activities/run-tests.ts";
import type { Job } from "../../../workers/workspace/activities/work-job.ts";
import { boxLimitsOf } from "../../../workers/workspace/activities/work-job.ts";
import type { WorkRunDeps } from "../../../workers/workspace/activities/work-run.ts";
import { workRun } from "../../../workers/workspace/activities/work-run.ts";
import { createCaptureTree } from "../../../workers/workspace/capture/capture-tree.ts";
import { createReadOut } from "../../../workers/workspace/capture/read-out.ts";
import type { Base } from "../../../workers/workspace/repo/git-repositories.ts";
import { createGitRepositories } from "../../../workers/workspace/repo/git-repositories.ts";
import { createBundleCache } from "../../../workers/workspace/runtimes/bundle-cache.ts";
import { createCommandRuntime } from "../../../workers/workspace/runtimes/command/command-runtime.ts";
import { createListen } from "../../../workers/workspace/runtimes/command/listen.ts";
import { createRunCommand } from "../../../workers/workspace/runtimes/command/run-command.ts";
import type { Tell } from "../../../workers/workspace/runtimes/step-end.ts";
import type { RunArea } from "../../../workers/workspace/sandbox/area/run-area.ts";
import { createBubblewrap } from "../../../workers/workspace/sandbox/bubblewrap.ts";
import { createRepository, temporaryFolder } from "../builders/repositories.ts";
import { openTestArea } from "./boxes.ts";

export type Told = Parameters<Tell>[0];

export interface WorkAsked {
  /** What the repository holds; a name ending in `*` is a program. */
  readonly files: Readonly<Record<string, string | Buffer>>;
  /** Symbolic links that it holds, path → target. */
  readonly links?: Readonly<Record<string, string>>;
  readonly steps: readonly StepJson[];
  /** Folder of the persona of each agent step; it is started as `node /persona/main.mjs`. */
  readonly personas?: Readonly<Record<string, string>>;
  /** What the repository's layer says. */
  readonly policy?: PolicyJson;
  readonly limits?: LimitsJson;
  readonly stop?: AbortSignal;
  /** Called with each event, and with what is left of the run at that moment. */
  readonly onTold?: (event: Told, left: () => string[]) => void;
}

export interface WorkDone {
  readonly base: Base;
  readonly report: WorkReportJson;
  readonly files: readonly KeptFile[];
  readonly told: readonly Told[];
  /** What the api finds of it, and how it judges it. */
  readonly examined: WorkFindingsJson & { readonly tests: FoundTestsJson[] };
  readonly verdict: VerdictJson;
  /** Processes and folders that outlived the run. */
  readonly left: readonly string[];
  step(id: string): StepReportJson | undefined;
  text(name: string): string | undefined;
  /** A line of the verdict: `<state>: <detail>`. */
  line(requirementId: string): string | undefined;
  /** The api's view when the report says something else. */
  judged(report: WorkReportJson): Promise<Judged>;
}

export type Judged = Pick<WorkDone, "examined" | "verdict" | "line">;

export interface WorkWorld {
  /** Does one run's work, in a slot of its own; waits for one when all are taken. */
  work(asked: WorkAsked): Promise<WorkDone>;
  close(): Promise<void>;
}

const limitMs = 60_000;
const tenant = "acme";
const mebibyte = 1024 ** 2;
const roomy: LimitsJson = {
  memoryBytes: String(512 * mebibyte),
  processes: 64,
  outputBytes: String(8 * mebibyte),
  diskBytes: String(64 * mebibyte),
  stepTime: "20s",
  idleTime: "10s",
  patchBytes: String(mebibyte),
  changedFiles: 100,
};
/** Asked of every run. */
const requirements: readonly RequirementJson[] = [
  { id: "tests-passed", kind: "test-result", outcome: "PASSED", vantage: "worker-observed", remedy: "Mend the tests." },
];

/**
 * The work of runs as a workspace worker does it, and its judgement as the api does: real boxes, run area, git and bundles; no Temporal, and no api between the two.
 * @param slots - numbers that no other test takes
 */
export async function startWorkWorld(slots: readonly number[]): Promise<WorkWorld> {
  const { area, remove } = await openTestArea();
  const temporary = temporaryFolder();
  const now = () => new Date();
  const sandbox = createBubblewrap({ area });
  const secrets = () => ["a-token"];
  const listen = createListen();
  const runCommand = createRunCommand({ sandbox, listen, secrets });
  const tars = new Map<string, Buffer>();
  const deps: WorkRunDeps = {
    sandbox,
    area,
    now,
    repositories: createGitRepositories({ area, roots: [{ tenant, path: temporary.path }], hosts: [] }),
    captureTree: createCaptureTree({ sandbox }),
    runTests: createRunTests({ sandbox, runCommand, readOut: createReadOut({ sandbox }) }),
    runCommand: ({ step, argv, workspace, home }, { slot, pins, tell }, stop) => {
      const limits = boxLimitsOf(pins.policy ?? {}, step);
      return runCommand({ stepId: step.id ?? "", slot, argv, workspace, home, limits, expectZero: true }, tell, stop);
    },
    personaAtWork: createPersonaAtWork({
      bundles: createBundleCache({ bundlesDir: area.bundlesDir, now }),
      fetchBundle: async (_job, digest) => tars.get(digest) ?? Buffer.alloc(0),
      runtimes: { command: createCommandRuntime({ sandbox, listen, secrets }) },
    }),
  };
  const turns = createTurns(slots);
  let repositories = 0;

  const doWork = async (slot: number, asked: WorkAsked): Promise<WorkDone> => {
    repositories += 1;
    const repository = createRepository(join(temporary.path, `repository-${repositories}`));
    repository.commit(asked.files, asked.links);
    const policy = compilePolicy([
      { layer: "platform", policy: { limits: { ...roomy, ...asked.limits } } },
      { layer: "repository", policy: asked.policy ?? {} },
    ]);
    const pins: RunPinsJson = {
      repository: { id: "shop", url: repository.url, ref: "main" },
      personas: Object.entries(asked.personas ?? {}).map(([stepId, folder]) => {
        const id = basename(folder);
        const tar = bundleOf(id, folder);
        const digest = sha256Hex(tar);
        tars.set(digest, tar);
        return { stepId, id, version: "1", digest };
      }),
      policy,
      isolation: sandbox.isolation,
    };
    const signals = { stop: asked.stop ?? AbortSignal.timeout(limitMs), giveUp: AbortSignal.timeout(limitMs) };
    const told: Told[] = [];
    const job: Job = {
      scope: scopeOf(slot),
      segment: 1,
      attempt: 1,
      plan: { steps: [...asked.steps] },
      pins,
      request: { goal: "Mend the sum" },
      sandbox: { isolation: sandbox.isolation, engine: "bubblewrap", kernel: "", claims: [] },
      slot,
      tell: async (event) => {
        told.push(event);
        asked.onTold?.(event, () => leftOf(area, slot));
      },
    };
    const wanted = { tenant, url: repository.url, ref: "main" };
    const base = await deps.repositories.prepareBase(wanted, () => undefined, signals.giveUp);
    const folder = await area.openRun(slot, signals.giveUp);
    try {
      const { report, files } = await workRun(deps, job, base, folder, signals);
      await folder.remove();
      const judged = (other: WorkReportJson) => judgeWork(other, files, { pins, baseCommit: base.commit }, asked.steps);
      return {
        base,
        report,
        files,
        told,
        judged,
        left: leftOf(area, slot),
        ...(await judged(report)),
        step: (id) => report.steps?.find(({ stepId }) => stepId === id),
        text: (name) => files.find((file) => file.name === name)?.bytes.toString(),
      };
    } finally {
      deps.repositories.release(base);
      await folder.remove();
    }
  };

  return {
    work: (asked) => turns((slot) => doWork(slot, asked)),
    async close() {
      await remove();
      temporary.remove();
    },
  };
}

/** What the api makes of a report and its files. */
async function judgeWork(
  report: WorkReportJson,
  files: readonly KeptFile[],
  run: { readonly pins: RunPinsJson; readonly baseCommit: string },
  steps: readonly StepJson[],
): Promise<Judged> {
  const uploads = files.map(({ name, kind, mediaType, bytes }) => ({
    name,
    kind,
    mediaType,
    sha256: sha256Hex(bytes),
    sizeBytes: String(bytes.byteLength),
  }));
  assertReport(report, uploads, run, steps);
  const read = async (sha256: string) =>
    files.find(({ bytes }) => sha256Hex(bytes) === sha256)?.bytes ?? Buffer.alloc(0);
  const found = await examineWork({ report, uploads }, run.pins.policy ?? {}, read);
  const gate = { method: "scrum", id: "done", requirements: [...requirements] };
  const verdict = judgeEvidence(gate, found.evidence, found.lines);
  const line = (requirementId: string) => {
    const found = verdict.lines?.find((each) => each.requirementId === requirementId);
    return found === undefined ? undefined : `${found.state?.replace("LINE_STATE_", "")}: ${found.detail}`;
  };
  const tests = (found.tests ?? []).filter((each) => each.run?.onBase !== true);
  return { examined: { ...found, tests }, verdict, line };
}

function bundleOf(id: string, folder: string): Buffer {
  const runtime = { command: { argv: ["node", "/persona/main.mjs"] } };
  const manifest = fromJson(PersonaManifestSchema, { id, version: "1", title: id, runtime });
  return encodeTar(readBundleFolder(folder, manifest));
}

const scopeOf = (slot: number): Job["scope"] => ({
  tenant,
  org: "org",
  runId: `run-${slot}`,
  generation: 1,
  firstExecutionRunId: `execution-${slot}`,
});

/** Folders of a slot, and processes that were started from it or have it mounted. */
function leftOf(area: RunArea, slot: number): string[] {
  // In a box's table of mounts a path begins at its file system, not at the host's root.
  const ofSlot = new RegExp(`${basename(dirname(area.root))}/${basename(area.root)}/runs/${slot}\\b`);
  const folders = readdirSync(area.runsDir).filter((name) => name === String(slot));
  const processes = readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    const text = (file: string) => {
      try {
        return readFileSync(`/proc/${pid}/${file}`, "utf8");
      } catch {
        return ""; // it ended, or is another user's
      }
    };
    return (text("cmdline").startsWith("bwrap") && ofSlot.test(text("cmdline"))) || ofSlot.test(text("mountinfo"));
  });
  return [...folders.map((name) => `folder ${name}`), ...processes.map((pid) => `process ${pid}`)];
}

/** Gives each work a slot. Work waits while all are taken. */
function createTurns(slots: readonly number[]) {
  const free = [...slots];
  const waiting: ((slot: number) => void)[] = [];
  const take = async (): Promise<number> => {
    const slot = free.shift();
    return slot ?? (await new Promise<number>((resolve) => waiting.push(resolve)));
  };
  return async <Result>(work: (slot: number) => Promise<Result>): Promise<Result> => {
    const slot = await take();
    try {
      return await work(slot);
    } finally {
      const next = waiting.shift();
      if (next === undefined) free.push(slot);
      else next(slot);
    }
  };
}
