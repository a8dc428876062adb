import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { sha256Hex } from "../../src/artifacts/blobs.ts";
import { createExaminer } from "../../src/work/examine/examiner/examiner.ts";
import type { ExaminerLimits } from "../../src/work/examine/examiner/run-examiner.ts";
import { examinerLimits, proveExaminer } from "../../src/work/examine/examiner/run-examiner.ts";
import type { ReportedWork } from "../../src/work/work-report-store.ts";
import { waitUntil } from "../support/worlds/api.ts";

/** Work that left one test report so many times, and where its object is read. */
function reported(text: string, times = 1) {
  const bytes = Buffer.from(text);
  const sha256 = sha256Hex(bytes);
  const work: ReportedWork = {
    report: {
      attempt: 1,
      outcome: "WORK_OUTCOME_DONE",
      tests: Array.from({ length: times }, () => ({
        ...{ stepId: "unit", format: "REPORT_FORMAT_JUNIT" as const, gitTree: "1".repeat(40) },
        ...{ exitCode: 0, reportSha256: sha256 },
      })),
    },
    uploads: [{ name: "tests/unit.xml", kind: "report", sha256, sizeBytes: String(bytes.byteLength) }],
  };
  const read = async (): Promise<Uint8Array> => bytes;
  return { work, objects: { read } };
}
const suite = (cases: string) => `<testsuites>${cases}</testsuites>`;
const small = reported(suite('<testcase name="adds" classname="sum"/>'));
const large = reported(suite('<testcase name="adds" classname="sum"/>'.repeat(40_000)));
/** Characters that XML does not allow, by number: the most that a report can cost. */
const costly = reported(suite(`<system-out>${"&#27;".repeat(800_000)}</system-out>`), 5);
const run = { tenant: "acme", org: "retail", pins: null };
const limit = () => AbortSignal.timeout(110_000);
const examine = ({ work, objects }: typeof small, limits: ExaminerLimits = examinerLimits, signal = limit()) =>
  createExaminer({ objects, limits })(run, work, signal);
const faultOf = async (found: ReturnType<typeof examine>) =>
  (await found).lines?.find(({ requirementId }) => requirementId === "work-examined");

describe("the process that examines work", () => {
  it("is tried before the api listens", async () => {
    await proveExaminer(limit());
  });

  it("finds what the objects say", async () => {
    expect((await examine(small)).tests).toMatchObject([{ counts: { passed: 1 }, passed: ["sum > adds"] }]);
  });

  it("leaves the event loop to others while it reads a large report", async () => {
    let turns = 0;
    const turning = setInterval(() => {
      turns += 1;
    }, 1);
    const { tests } = await examine(large);
    clearInterval(turning);
    expect(tests).toMatchObject([{ counts: { passed: 40_000 } }]);
    expect(tests?.[0]?.passed).toHaveLength(1_000);
    expect(turns).toBeGreaterThan(50);
  });

  it.each([
    ["CPU", { ...examinerLimits, cpuSeconds: 1 }, "it takes more than 1 s of CPU"],
    ["memory", { ...examinerLimits, dataBytes: 630 * 1024 ** 2 }, "it takes more than 512 MiB of memory"],
  ])("makes a line that fails of a case that breaks the limit of %s", async (_, limits, fault) => {
    const found = await examine(costly, limits);
    expect(await faultOf(Promise.resolve(found))).toMatchObject({
      state: "LINE_STATE_FAILED",
      detail: fault,
      remedy: expect.stringContaining("smaller or simpler"),
    });
    expect(found.tests?.[0]).toMatchObject({ outcome: "FAILED", detail: expect.stringContaining(fault) });
    expect(found.evidence).toEqual([]);
  });

  it("makes a line that fails of a case on which it breaks twice", async () => {
    const { work, objects } = small;
    const unreadable = { ...work, report: { ...work.report, tests: [{ ...work.report.tests?.[0], format: "NONE" }] } };
    const found = await createExaminer({ objects, limits: examinerLimits })(run, unreadable as ReportedWork, limit());
    expect(await faultOf(Promise.resolve(found))).toMatchObject({ detail: expect.stringContaining("exit code 1") });
  });

  it("hands on that the store is away, and leaves no process", async () => {
    const objects = { read: async () => Promise.reject(new Error("S3 is away")) };
    await expect(examine({ work: small.work, objects })).rejects.toThrow("S3 is away");
  });

  it("has no environment, and is gone with the process that started it, whatever kills that", async () => {
    const program = fileURLToPath(new URL("../support/builders/examine-for-ever.ts", import.meta.url));
    const api = spawn(process.execPath, [program], { env: { TOKEN: "secret" }, stdio: ["ignore", "pipe", "inherit"] });
    await once(api.stdout, "data");
    const examiner = readFileSync(`/proc/${api.pid}/task/${api.pid}/children`, "utf8").trim();
    expect(readFileSync(`/proc/${examiner}/cmdline`, "utf8")).toContain("examiner-process.ts");
    expect(readFileSync(`/proc/${examiner}/environ`, "utf8")).toMatch(/^PATH=[^\0]*\0$/);
    api.kill("SIGKILL");
    await waitUntil(async () => !existsSync(`/proc/${examiner}`));
  });

  it("ends when nobody waits for it", async () => {
    const gone = new AbortController();
    const objects = {
      read: async () => {
        gone.abort(new Error("the caller is gone"));
        return new Uint8Array();
      },
    };
    await expect(examine({ work: small.work, objects }, examinerLimits, gone.signal)).rejects.toThrow(
      "the caller is gone",
    );
  });
});
