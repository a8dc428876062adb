import { runExaminer } from "../../../src/work/examine/examiner/run-examiner.ts";

/** A process whose examination waits for an object that never comes; it says so on stdout. */
const sha256 = "a".repeat(64);
const work = {
  report: { capture: { patchSha256: sha256 } },
  uploads: [{ name: "changes.patch", kind: "patch", sha256, sizeBytes: "1" }],
};
const policy = { limits: { patchBytes: "10", changedFiles: 1 } };
const read = () => {
  console.log("reading");
  return new Promise<never>(() => undefined);
};
await runExaminer({ work, policy }, read, { cpuSeconds: 60, dataBytes: 1024 ** 3 }, AbortSignal.timeout(120_000));
