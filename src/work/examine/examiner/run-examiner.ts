import { spawn } from "node:child_process";
import { extname, join } from "node:path";
import { createInterface } from "node:readline";
import type { JsonValue } from "@bufbuild/protobuf";
import { fromJson } from "@bufbuild/protobuf";
import type { EffectivePolicyJson } from "../../../gen/automation/v1/policy_pb.ts";
import type { WorkFindingsJson } from "../../../gen/automation/v1/work_findings_pb.ts";
import { WorkFindingsSchema } from "../../../gen/automation/v1/work_findings_pb.ts";
import { lastWords, storableJson } from "../../../text/strangers-text.ts";
import type { ReportedWork } from "../../work-report-store.ts";
import { frameOf } from "./frames.ts";

export interface ExaminerLimits {
  readonly cpuSeconds: number;
  /** Of writable memory, bytes. V8 reserves 512 MiB of it for code, of which it touches next to nothing. */
  readonly dataBytes: number;
}

/** 60 s of CPU, and 512 MiB that are really used. */
export const examinerLimits: ExaminerLimits = { cpuSeconds: 60, dataBytes: 1024 ** 3 };

/** What an examination came to: findings, or why there are none. */
export type Examined = { readonly findings: WorkFindingsJson } | { readonly breach: string };

/** The examiner ended without an answer, and its case does not explain why. */
export class ExaminerCrashError extends Error {
  override readonly name = "ExaminerCrashError";
  readonly code = "examiner_crashed";
}

export interface Case {
  readonly work: ReportedWork;
  readonly policy: EffectivePolicyJson;
}

/** No process that examines work can run on this host. */
class ExaminerUnusableError extends Error {
  override readonly name = "ExaminerUnusableError";
  readonly code = "examiner_unusable";
  constructor(why: string, options?: ErrorOptions) {
    super(
      `work can't be examined on this host: ${why}; install util-linux and coreutils (setpriv, prlimit, nice), and let a process have ${examinerLimits.dataBytes} bytes of data`,
      options,
    );
  }
}

/** Tries an examination of nothing under the limits. @throws ExaminerUnusableError, the signal's reason */
export async function proveExaminer(signal: AbortSignal): Promise<void> {
  const nothing: Case = { work: { report: {}, uploads: [] }, policy: {} };
  const examined = await runExaminer(nothing, async () => undefined, examinerLimits, signal).catch((cause: unknown) => {
    signal.throwIfAborted();
    throw new ExaminerUnusableError(cause instanceof Error ? cause.message : String(cause), { cause });
  });
  if ("breach" in examined) throw new ExaminerUnusableError(examined.breach);
}

/** Of V8's heap; buffers are outside of it. */
const heapMb = 384;
const mostAnswerBytes = 16 * 1024 * 1024;
const keptStderr = 16_000;
const shownStderr = 500;
const mebibyte = 1024 ** 2;
const program = join(import.meta.dirname, `examiner-process${extname(import.meta.filename)}`); // TypeScript in a clone, else compiled
const outOfMemory = /out of memory|failed to allocate|allocation failed|cannot allocate|invalid string length/i;

/**
 * Examines one case in a process of its own, which dies with this one. The process gives way to others (nice), has no environment, and can write no file.
 * @param read - gives an object of the case by its sha256, undefined when it is not there; asked once for each object and test report at most
 * @throws ExaminerCrashError, the signal's reason, and what `read` throws
 */
export async function runExaminer(
  { work, policy }: Case,
  read: (sha256: string, signal: AbortSignal) => Promise<Uint8Array | undefined>,
  limits: ExaminerLimits,
  signal: AbortSignal,
): Promise<Examined> {
  signal.throwIfAborted();
  const { cpuSeconds, dataBytes } = limits;
  const child = spawn(
    "setpriv",
    [
      "--pdeathsig",
      "SIGKILL",
      "nice",
      "-n",
      "10",
      "prlimit",
      `--cpu=${cpuSeconds}:${cpuSeconds + 5}`,
      `--data=${dataBytes}`,
      "--core=0",
      "--fsize=0",
      "--",
      process.execPath,
      `--max-old-space-size=${heapMb}`,
      "--disable-warning=ExperimentalWarning",
      program,
    ],
    { cwd: "/", env: { PATH: systemPath }, stdio: "pipe" },
  );
  const gone = new Promise<{ readonly code: number | null; readonly signal: string | null }>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ code, signal }));
  });
  gone.catch(() => undefined); // awaited below, unless a read fails first
  const failed = gone.then(() => new Promise<never>(() => undefined)); // when it could not even be started
  child.stdin.on("error", () => undefined); // it may end without reading; how it ended tells
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    stderr = lastWords(stderr + chunk, keptStderr);
  });
  const kill = () => child.kill("SIGKILL");
  signal.addEventListener("abort", kill, { once: true });
  const send = (bytes: Uint8Array) => {
    for (const part of frameOf(bytes)) child.stdin.write(part);
  };
  try {
    send(Buffer.from(JSON.stringify({ work, policy })));
    const answer = await Promise.race([converse(), failed]);
    child.stdout.resume();
    const end = await gone;
    signal.throwIfAborted();
    if (answer === tooMuch) return { breach: `what is found has more than ${mostAnswerBytes / mebibyte} MiB` };
    if (answer !== undefined && end.code === 0) return { findings: answer };
    if (end.signal === "SIGXCPU") return { breach: `it takes more than ${cpuSeconds} s of CPU` };
    if (outOfMemory.test(stderr)) return { breach: "it takes more than 512 MiB of memory" };
    const how = end.signal ?? `exit code ${end.code}`;
    throw new ExaminerCrashError(
      `the process that examines work ended with ${how}: ${lastWords(stderr.trim(), shownStderr)}`,
    );
  } finally {
    signal.removeEventListener("abort", kill);
    kill();
  }

  async function converse(): Promise<WorkFindingsJson | typeof tooMuch | undefined> {
    let said = 0;
    let reads = 0;
    child.stdout.on("data", (chunk: Buffer) => {
      said += chunk.byteLength;
      if (said > mostAnswerBytes) kill();
    });
    for await (const line of createInterface({ input: child.stdout, crlfDelay: Number.POSITIVE_INFINITY })) {
      const told = parsed(line);
      if (told?.findings !== undefined) return readFindings(told.findings);
      const { read: sha256 } = told ?? {};
      reads += 1;
      const isUpload = work.uploads.some((upload) => upload.sha256 === sha256);
      if (typeof sha256 !== "string" || !isUpload || reads > mostReads(work)) break;
      send((await read(sha256, signal)) ?? new Uint8Array());
    }
    kill();
    return said > mostAnswerBytes ? tooMuch : undefined;
  }
}

const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const tooMuch = Symbol("too much");

/** The patch, and a report for each run of a test step. */
const mostReads = ({ report }: ReportedWork): number => 1 + (report.tests?.length ?? 0);

function parsed(line: string): { readonly read?: unknown; readonly findings?: unknown } | undefined {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** Accepts findings only: an unknown field is refused. */
function readFindings(told: unknown): WorkFindingsJson | undefined {
  try {
    const findings = storableJson(told) as JsonValue;
    fromJson(WorkFindingsSchema, findings);
    return findings as WorkFindingsJson;
  } catch {
    return undefined;
  }
}
