import { createHash, randomUUID } from "node:crypto";
import { chmod, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { pack } from "tar-stream";
import { createBundleCache } from "../../../workers/workspace/runtimes/bundle-cache.ts";
import { createCommandRuntime } from "../../../workers/workspace/runtimes/command/command-runtime.ts";
import { createListen } from "../../../workers/workspace/runtimes/command/listen.ts";
import { createRunCommand } from "../../../workers/workspace/runtimes/command/run-command.ts";
import type { PersonaTask } from "../../../workers/workspace/runtimes/runtime.ts";
import type { StepEnd, Tell } from "../../../workers/workspace/runtimes/step-end.ts";
import { openRunArea } from "../../../workers/workspace/sandbox/area/run-area.ts";
import { createBubblewrap } from "../../../workers/workspace/sandbox/bubblewrap.ts";
import type { BoxLimits } from "../../../workers/workspace/sandbox/sandbox.ts";
import { ownerOfSlot } from "../../../workers/workspace/sandbox/slots.ts";

export type Told = Parameters<Tell>[0];

export interface Worked {
  readonly end: StepEnd;
  readonly told: readonly Told[];
  /** Texts of all messages. */
  readonly texts: readonly string[];
  /** Command lines of processes of it that still run. */
  readonly survivors: readonly string[];
}

export interface PersonaAsked {
  readonly files: Readonly<Record<string, string | Buffer>>;
  /** Words after `node`; a mark is added by which its processes are found. */
  readonly argv: readonly string[];
  readonly outputSchema?: string;
  readonly limits?: Partial<BoxLimits>;
  readonly signal?: AbortSignal;
  readonly tell?: Tell;
}

export interface PersonaWorld {
  work(asked: PersonaAsked): Promise<Worked>;
  run(argv: readonly string[], how?: { limits?: Partial<BoxLimits>; expectZero?: boolean }): Promise<Worked>;
  close(): Promise<void>;
}

/** Slots from here on are used by no other test. */
const firstSlot = 40;
const plenty: BoxLimits = {
  memoryBytes: 512 * 1024 * 1024,
  processes: 64,
  outputBytes: 64 * 1024 * 1024,
  diskBytes: 64 * 1024 * 1024,
  timeMs: 20_000,
  idleMs: 10_000,
};
const never = new AbortController().signal;
const task: PersonaTask = {
  runId: "run-1",
  stepId: "mend",
  goal: "Mend the sum",
  parameters: { depth: 2 },
  context: { scrum: { product: "webshop" } },
  repository: { id: "shop", ref: "main", baseCommit: "1".repeat(40) },
  policy: {},
  reports: [],
};

/** Real boxes for personas, without a worker around them. */
export async function startPersonaWorld(secrets: readonly string[] = []): Promise<PersonaWorld> {
  const root = await mkdtemp(join(process.getuid?.() === 0 ? "/var/tmp" : tmpdir(), "automation-persona-test-"));
  await chmod(root, 0o711);
  const area = await openRunArea({
    root: join(root, "area"),
    nodeDir: resolve(dirname(process.execPath), ".."),
    ownerOf: ownerOfSlot,
    signal: never,
  });
  const sandbox = createBubblewrap({ area });
  const now = () => new Date();
  const bundles = createBundleCache({ bundlesDir: area.bundlesDir, now });
  const deps = { sandbox, listen: createListen(), secrets: () => secrets };
  const commandRuntime = createCommandRuntime(deps);
  const runCommand = createRunCommand(deps);
  let nextSlot = firstSlot;

  const inFolder = async (
    tell: Tell | undefined,
    mark: string,
    work: (at: { slot: number; workspace: string; home: string; taskDir: string; tell: Tell }) => Promise<StepEnd>,
  ): Promise<Worked> => {
    const slot = nextSlot;
    nextSlot += 1;
    const folder = await area.openRun(slot, never);
    const told: Told[] = [];
    try {
      const [workspace, home] = await Promise.all([folder.newFolder("workspace"), folder.newFolder("home")]);
      const taskDir = await folder.newHostFolder("task");
      const end = await work({
        slot,
        workspace,
        home,
        taskDir,
        tell: async (event) => {
          told.push(event);
          await tell?.(event);
        },
      });
      const texts = told.flatMap(({ message }) => message?.text ?? []);
      return { end, told, texts, survivors: await processesWith(mark) };
    } finally {
      await folder.remove();
    }
  };

  return {
    work: ({ files, argv, outputSchema = "", limits, signal = never, tell }) => {
      const mark = `mark-${randomUUID()}`;
      return inFolder(tell, mark, async (at) => {
        const [program = "", ...words] = argv;
        const command = { argv: ["node", program, mark, ...words] };
        const manifest = { id: "tried", version: "1", runtime: { command }, outputSchema };
        const tar = await tarOf({ ...files, "persona.json": JSON.stringify(manifest) });
        const bundle = await bundles.get(digestOf(tar), async () => tar, never);
        const what = { ...at, stepId: "mend", bundle, task, limits: { ...plenty, ...limits } };
        return await commandRuntime(what, at.tell, signal);
      });
    },
    run: (argv, { limits, expectZero = true } = {}) => {
      const mark = `mark-${randomUUID()}`;
      return inFolder(undefined, mark, (at) =>
        runCommand(
          { ...at, stepId: "build", argv: [...argv, mark], limits: { ...plenty, ...limits }, expectZero },
          at.tell,
          never,
        ),
      );
    },
    async close() {
      await area.close();
      await rm(root, { recursive: true, force: true });
    },
  };
}

/** A tar of some files, as a bundle is one. */
export async function tarOf(files: Readonly<Record<string, string | Buffer>>): Promise<Buffer> {
  const tar = pack();
  for (const [name, content] of Object.entries(files)) tar.entry({ name, mode: 0o644, mtime: new Date(0) }, content);
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export const digestOf = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

async function processesWith(mark: string): Promise<string[]> {
  const ids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(ids.map((id) => readFile(`/proc/${id}/cmdline`, "utf8").catch(() => "")));
  return lines.filter((line) => line.includes(mark));
}
